/* engine-tool: the engine on files, natively.
     engine-tool text|html|boxes|list|time FILE [--size WxH] [--fonts DIR] [--chunk BYTES] */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/tool/host.h"

#ifndef KP_FONT_DIR
#define KP_FONT_DIR "/usr/share/fonts/truetype/dejavu"
#endif

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int usage(void)
{
    fprintf(stderr, "usage: engine-tool text|html|boxes|list|time FILE [--size WxH] [--fonts DIR] "
                    "[--chunk BYTES]\n");
    return 2;
}

int main(int count, char **arguments)
{
    unsigned width = 1280, height = 800;
    const char *fonts = KP_FONT_DIR;
    size_t chunk = 0;
    if (count < 3)
        return usage();
    for (int i = 3; i + 1 < count; i += 2) {
        if (strcmp(arguments[i], "--size") == 0) {
            if (sscanf(arguments[i + 1], "%ux%u", &width, &height) != 2)
                return usage();
        } else if (strcmp(arguments[i], "--fonts") == 0) {
            fonts = arguments[i + 1];
        } else if (strcmp(arguments[i], "--chunk") == 0) {
            chunk = (size_t)atol(arguments[i + 1]);
        } else {
            return usage();
        }
    }
    char path[PATH_MAX], url[PATH_MAX + 8];
    if (!realpath(arguments[2], path)) {
        perror(arguments[2]);
        return 1;
    }
    snprintf(url, sizeof url, "file://%s", path);
    double start = now_ms();
    kp_tool_host_t host;
    if (kp_tool_host_create(&host, fonts, width, height) != KP_OK)
        return 1;
    host.chunk = chunk;
    double created = now_ms();
    kp_engine_navigate(host.engine, 1, url);
    kp_tool_host_run(&host);
    double loaded = now_ms();
    int result = 0;
    if (host.state == KP_TAB_LOAD_FAILED) {
        fprintf(stderr, "engine-tool: %s: %s\n", arguments[2], host.text);
        result = 1;
    }
    kp_engine_frame_t frame;
    kp_status_t status = kp_engine_frame(host.engine, &frame);
    double painted = now_ms();
    if (strcmp(arguments[1], "time") == 0) {
        printf("create %.2f ms, load and layout %.2f ms, paint %.2f ms (%s, %zu bytes, page "
               "%dx%d)\n",
               created - start, loaded - created, painted - loaded, kp_status_name(status),
               frame.list_size, frame.page_width, frame.page_height);
    } else if (strcmp(arguments[1], "list") == 0) {
        fwrite(frame.list, 1, frame.list_size, stdout);
    } else {
        uint32_t format = strcmp(arguments[1], "html") == 0    ? KP_TAB_DUMP_HTML
                          : strcmp(arguments[1], "boxes") == 0 ? KP_TAB_DUMP_BOXES
                                                               : KP_TAB_DUMP_TEXT;
        char *bytes = NULL;
        size_t size = 0;
        if (kp_engine_dump(host.engine, format, &bytes, &size) == KP_OK)
            fwrite(bytes, 1, size, stdout);
        free(bytes);
    }
    kp_tool_host_destroy(&host);
    return result;
}
