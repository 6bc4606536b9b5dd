/* A document as the network brings it: the first line is the Content-Type, the rest the body, which
   arrives once as a whole and once cut in pieces. What results must be the same text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fuzz/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kp_fuzz_host_t host;
static uint32_t loads;

static void last(void)
{
    kp_fuzz_host_destroy(&host);
}

/* The document as HTML; NULL when the load failed. */
static char *load(const char *headers, const uint8_t *body, size_t size, size_t step, size_t *out)
{
    char *html = NULL;
    kp_engine_frame_t frame;
    if (kp_engine_navigate(host.engine, ++loads, "http://kpio.test/") != KP_OK ||
        host.fetch_count != 1)
        abort();
    uint32_t id = host.fetches[0].id;
    host.fetch_count = 0;
    kp_engine_fetch_response(host.engine, id, 200, "http://kpio.test/x", headers, strlen(headers));
    for (size_t at = 0; at < size; at += step)
        kp_engine_fetch_data(host.engine, id, body + at, size - at < step ? size - at : step);
    kp_engine_fetch_end(host.engine, id, KP_OK, "");
    (void)kp_fuzz_host_frame(&host, &frame);
    host.fetch_count = 0;
    if (host.state == KP_TAB_LOAD_FAILED ||
        kp_engine_dump(host.engine, KP_TAB_DUMP_HTML, &html, out) != KP_OK)
        return NULL;
    return html;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    if (!line || size > 1000 || line - data > 100)
        return 0; /* beyond 1 KiB the pieces decide how much is sniffed */
    if (!host.engine) {
        if (kp_fuzz_host_create(&host, NULL) != KP_OK ||
            kp_engine_configure(host.engine, 320, 200, 256) != KP_OK)
            abort();
        atexit(last);
    }
    char headers[160];
    snprintf(headers, sizeof headers, "Content-Type: %.*s\r\nX: y\r\n", (int)(line - data), data);
    const uint8_t *body = line + 1;
    size_t body_size = size - (size_t)(body - data), whole_size = 0, pieces_size = 0;
    size_t step = body_size ? 1 + body[body_size - 1] % 5u : 1;
    char *whole = load(headers, body, body_size, body_size ? body_size : 1, &whole_size);
    char *pieces = load(headers, body, body_size, step, &pieces_size);
    if (!whole != !pieces || whole_size != pieces_size ||
        (whole && memcmp(whole, pieces, whole_size) != 0)) {
        fprintf(stderr, "engine_charset: in pieces of %zu the document differs\n%.*s\n---\n%.*s\n",
                step, (int)whole_size, whole ? whole : "", (int)pieces_size, pieces ? pieces : "");
        abort();
    }
    free(whole);
    free(pieces);
    return 0;
}
