/* A whole page: parse, style, lay out, paint, dump, hit; in chunks whose size the first byte gives.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/tool/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"Content-Type: text/html\r\n",
                                        "Content-Type: text/html; charset=utf-8\r\n",
                                        "Content-Type: text/plain\r\n", ""};
    if (size < 1 || size > 1u << 16)
        return 0;
    kp_tool_host_t host;
    if (kp_tool_host_create(&host, NULL, 320, 200) != KP_OK)
        return 0;
    kp_engine_frame_t frame;
    size_t chunk = 1 + (size_t)(data[0] & 63) * 97;
    const char *type = types[data[0] >> 6];
    kp_engine_navigate(host.engine, 1, "file:///nowhere");
    kp_engine_fetch_response(host.engine, 1, 200, "file:///nowhere", type, strlen(type));
    for (size_t at = 1; at < size; at += chunk)
        kp_engine_fetch_data(host.engine, 1, data + at, size - at < chunk ? size - at : chunk);
    kp_engine_fetch_end(host.engine, 1, KP_OK, "");
    kp_tool_host_run(&host);
    kp_engine_frame(host.engine, &frame);
    for (uint32_t format = KP_TAB_DUMP_TEXT; format <= KP_TAB_DUMP_BOXES; format++) {
        char *text = NULL;
        size_t text_size;
        kp_engine_dump(host.engine, format, &text, &text_size);
        free(text);
    }
    kp_tab_pointer_t event = {.kind = KP_TAB_POINTER_MOVE, .x = 20, .y = 20};
    kp_engine_pointer(host.engine, &event);
    kp_engine_configure(host.engine, 200, 400, 512);
    kp_engine_frame(host.engine, &frame);
    kp_tool_host_destroy(&host);
    return 0;
}
