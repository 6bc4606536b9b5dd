/* Requests to the compiler service, as bytes from an untrusted client; and what a worker says, checked
   before it is believed. */
#ifndef KP_SERVICES_COMPILER_REQUEST_H
#define KP_SERVICES_COMPILER_REQUEST_H

#include "abi/compiler.h"
#include "runtime/compile/code.h"

/* COMPILE, OPEN, INFO, SETTLE; and FUNCTIONS and WAIT, whose bytes are left in *out as they are. ERR_PROTOCOL: no request (the connection is to be closed). ERR_INVALID_ARGUMENT: one that asks for what
   is not there. ERR_TOO_LARGE: its module. *out is valid with these too. */
kp_status_t kp_compiler_request_parse(const void *bytes, size_t size, size_t handle_count,
                                      kp_compiler_request_t *out);

/* Is this the header of an artefact of that size, made for the request, of all functions or of those? The code
   itself is trusted: it comes from our compiler, and harms only who runs this very module. */
bool kp_compiler_artefact_check(const kp_wasm_code_header_t *header, uint32_t size,
                                const kp_compiler_request_t *request,
                                const kp_compiler_functions_t *functions);

/* Makes a worker's answer one that may be passed on: a known status, a text inside its bounds, printable. */
void kp_compiler_reply_clean(kp_compiler_reply_t *reply);

#endif
