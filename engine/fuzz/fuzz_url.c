/* URL resolution: the first line is the base, the rest the reference. What comes out must be plain
   ASCII and resolve to itself. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const char *a, const char *b)
{
    fprintf(stderr, "engine_url: %s: \"%s\" \"%s\"\n", what, a ? a : "(none)", b ? b : "(none)");
    abort();
}

static void check(const char *url, const char *base)
{
    for (const char *c = url; *c; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            fail("not plain ASCII", url, base);
    }
    char *again = kp_url_resolve(NULL, url, strlen(url));
    if (!again || strcmp(again, url) != 0)
        fail("does not resolve to itself", url, again);
    kp_url_free(again);
    again = kp_url_resolve(base, url, strlen(url));
    if (!again || strcmp(again, url) != 0)
        fail("does not resolve to itself against its base", url, again);
    kp_url_free(again);
    if (!kp_url_same_document(url, url) || kp_url_size_without_fragment(url) > strlen(url))
        fail("is not its own document", url, base);
    unsigned char *body;
    size_t size;
    char type[16];
    if (kp_url_data(url, &body, &size, type, sizeof type))
        free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    char *line = memchr(copy, '\n', size);
    if (line) {
        size_t rest = size - (size_t)(line + 1 - copy);
        char *reference = malloc(rest ? rest : 1);
        char *base = kp_url_resolve(NULL, copy, (size_t)(line - copy));
        memcpy(reference, line + 1, rest);
        char *url = kp_url_resolve(base, reference, rest);
        if (base)
            check(base, NULL);
        if (url)
            check(url, base);
        kp_url_free(base);
        kp_url_free(url);
        /* A base that was not resolved before: only must not be read wrongly. */
        copy[line - copy] = 0;
        kp_url_free(kp_url_resolve(copy, reference, rest));
        free(reference);
    }
    free(copy);
    return 0;
}
