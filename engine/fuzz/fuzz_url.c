/* "base\ntext": resolving twice gives the same, and the result is plain ASCII. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = size ? memchr(data, '\n', size) : NULL;
    size_t base_size = cut ? (size_t)(cut - data) : 0;
    char *base = cut ? kp_url_resolve(NULL, (const char *)data, base_size) : NULL;
    const char *text = cut ? (const char *)cut + 1 : (const char *)data;
    char *url = kp_url_resolve(base, text, size - (cut ? base_size + 1 : 0));
    if (url) {
        for (const char *at = url; *at; at++) {
            if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
                abort();
        }
        char *again = kp_url_resolve(NULL, url, strlen(url));
        if (!again || strcmp(again, url) != 0)
            abort();
        kp_url_free(again);
        unsigned char *bytes;
        size_t body;
        char type[16];
        if (kp_url_data(url, &bytes, &body, type, sizeof type))
            free(bytes);
    }
    kp_url_free(url);
    kp_url_free(base);
    return 0;
}
