/* URLs: resolution of a reference against a base, in the manner of the URL Standard for the schemes
   that KPIO meets (http, https, file, data, about, kpio); other schemes pass unchanged. Input is
   untrusted and need not be NUL-terminated. */
#ifndef KP_ENGINE_URL_H
#define KP_ENGINE_URL_H

#include <stdbool.h>
#include <stddef.h>

#define KP_URL_SIZE_MAX (2u << 20) /* data: URLs are long */

/* The absolute URL, malloc'ed (kp_url_free); NULL when it is not valid, too long, or relative
   without a usable base, or memory is short. base may be NULL. Tabs and newlines are dropped,
   spaces and bytes beyond ASCII are percent-encoded, "." and ".." are resolved, scheme and host
   lower-cased, a default port dropped. */
char *kp_url_resolve(const char *base, const char *text, size_t size);
void kp_url_free(char *url);

/* Without its "#..."; the fragment (after "#"), or NULL. */
size_t kp_url_size_without_fragment(const char *url);
const char *kp_url_fragment(const char *url);
/* Equal but for the fragment. */
bool kp_url_same_document(const char *a, const char *b);
bool kp_url_has_scheme(const char *url, const char *scheme);

/* The bytes of a data: URL: malloc'ed body in *out, media type copied into type (type_size bytes).
   false: not valid. */
bool kp_url_data(const char *url, unsigned char **out, size_t *size, char *type, size_t type_size);

#endif
