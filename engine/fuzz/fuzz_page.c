/* HTML with its CSS through the whole engine: the input is the document, and also what every fetch
   of it brings (as a sheet or as an image). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fuzz/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kp_fuzz_host_t host;
static unsigned runs;

static void last(void)
{
    kp_fuzz_host_destroy(&host);
}

static void must(kp_status_t status, const char *what)
{
    if (status == KP_OK || status == KP_ERR_SHOULD_WAIT)
        return;
    fprintf(stderr, "engine_page: %s: %s\n", what, kp_status_name(status));
    abort();
}

static void look(uint32_t width, uint32_t height, uint32_t scale)
{
    kp_engine_frame_t frame;
    must(kp_engine_configure(host.engine, width, height, scale), "configure");
    must(kp_fuzz_host_frame(&host, &frame), "frame");
    for (uint32_t format = KP_TAB_DUMP_TEXT; format <= KP_TAB_DUMP_BOXES; format++) {
        char *bytes = NULL;
        size_t bytes_size = 0;
        must(kp_engine_dump(host.engine, format, &bytes, &bytes_size), "dump");
        free(bytes);
    }
    for (int32_t i = 0; i < 6; i++) {
        kp_tab_pointer_t event = {.kind = KP_TAB_POINTER_MOVE, .x = 9 + 31 * i, .y = 12 + 17 * i};
        kp_engine_pointer(host.engine, &event);
        event.kind = KP_TAB_POINTER_DOWN;
        kp_engine_pointer(host.engine, &event);
        event.kind = KP_TAB_POINTER_UP;
        kp_engine_pointer(host.engine, &event);
    }
    kp_engine_pointer(host.engine, &(kp_tab_pointer_t){.kind = KP_TAB_POINTER_LEAVE});
    kp_engine_scrolled(host.engine, 3, (int32_t)height);
    kp_engine_key(host.engine, &(kp_tab_key_t){.code = 28, .pressed = 1});
    must(kp_fuzz_host_frame(&host, &frame), "frame after input");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (runs == 0)
        atexit(last);
    if (runs++ % 512 == 0) {
        if (host.engine)
            kp_fuzz_host_destroy(&host);
        must(kp_fuzz_host_create(&host, KP_FONT_DIR "/DejaVuSans.ttf"), "create");
        must(kp_engine_configure(host.engine, 640, 480, 256), "configure");
    }
    host.body = data;
    host.body_size = size;
    must(kp_engine_load_html(host.engine, runs, "http://kpio.test/a/b?c#d", (const char *)data,
                             size),
         "load_html");
    kp_engine_frame_t frame;
    must(kp_fuzz_host_frame(&host, &frame), "first frame");
    kp_fuzz_host_answer(&host, 16);
    look(800, 600, 256);
    kp_fuzz_host_answer(&host, 4);
    look(133, 90, 400);
    kp_engine_stop(host.engine);
    must(kp_fuzz_host_frame(&host, &frame), "frame after stop");
    return 0;
}
