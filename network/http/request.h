/* Reading a REQUEST message (abi/http.h): private to network/http and its tests. */
#ifndef KP_NETWORK_HTTP_REQUEST_H
#define KP_NETWORK_HTTP_REQUEST_H

#include "network/http/http.h"

/* Parses the whole message. parts->body borrows from bytes, the rest is owned: kp_http_parts_clear.
   ERR_PROTOCOL when it is malformed, ERR_NO_MEMORY; then parts is empty. */
kp_status_t kp_http_parts_parse(const void *bytes, size_t size, kp_http_parts_t *parts);
void kp_http_parts_clear(kp_http_parts_t *parts);

#endif
