#include "shell/tab_message.h"

#include <stdbool.h>
#include <string.h>

#include "abi/display_list.h"
#include "abi/reader.h"

static kp_shell_span_t span(kp_reader_t *reader, uint32_t size)
{
    const uint8_t *at = kp_reader_borrow(reader, size);
    return (kp_shell_span_t){(const char *)at, at ? size : 0};
}

static bool read_load(kp_reader_t *reader, kp_shell_tab_event_t *event)
{
    event->load.load_id = kp_reader_u32(reader);
    event->load.state = kp_reader_u32(reader);
    event->load.status = (kp_status_t)kp_reader_i32(reader);
    event->load.http_status = kp_reader_u32(reader);
    (void)kp_reader_u32(
        reader); /* bytes_received: for progress, which the toolbar does not count */
    uint32_t url_size = kp_reader_u32(reader), text_size = kp_reader_u32(reader);
    event->load.url = span(reader, url_size);
    event->load.text = span(reader, text_size);
    return event->load.state >= KP_TAB_LOAD_STARTED && event->load.state <= KP_TAB_LOAD_FAILED;
}

static bool read_frame(kp_reader_t *reader, uint32_t handle_count, kp_shell_tab_event_t *event)
{
    event->frame.load_id = kp_reader_u32(reader);
    event->frame.sequence = kp_reader_u32(reader);
    event->frame.list_size = kp_reader_u32(reader);
    uint32_t resource_count = kp_reader_u32(reader);
    event->frame.page_width = kp_reader_i32(reader);
    event->frame.page_height = kp_reader_i32(reader);
    event->frame.background = kp_reader_u32(reader);
    return handle_count > 0 && resource_count == handle_count - 1 &&
           event->frame.list_size <= KP_DISPLAY_LIST_MAX && event->frame.page_width >= 0 &&
           event->frame.page_width <= KP_DISPLAY_COORDINATE_MAX && event->frame.page_height >= 0 &&
           event->frame.page_height <= KP_DISPLAY_COORDINATE_MAX;
}

kp_status_t kp_shell_tab_event_parse(const void *bytes, size_t size, uint32_t handle_count,
                                     kp_shell_tab_event_t *event)
{
    kp_reader_t reader = kp_reader_init(bytes, size);
    bool is_good = true;
    uint32_t handles_wanted = 0;
    memset(event, 0, sizeof(*event));
    event->kind = kp_reader_u32(&reader);
    (void)kp_reader_u32(&reader); /* txid: a tab only sends events, and one DUMPED for each DUMP */
    switch (event->kind) {
    case KP_TAB_READY:
        break;
    case KP_TAB_LOAD_STATE:
        is_good = read_load(&reader, event);
        break;
    case KP_TAB_TITLE:
    case KP_TAB_NAVIGATE_REQUEST:
    case KP_TAB_HOVER:
        event->text = span(&reader, kp_reader_u32(&reader));
        break;
    case KP_TAB_FRAME:
        is_good = read_frame(&reader, handle_count, event);
        handles_wanted = handle_count;
        break;
    case KP_TAB_DUMPED:
        event->dumped.status = (kp_status_t)kp_reader_i32(&reader);
        event->dumped.size = kp_reader_u32(&reader);
        handles_wanted = event->dumped.status == KP_OK ? 1 : 0;
        break;
    case KP_TAB_SCROLL_REQUEST:
        event->scroll.x = kp_reader_i32(&reader);
        event->scroll.y = kp_reader_i32(&reader);
        break;
    default:
        is_good = false;
        break;
    }
    if (!is_good || reader.failed || handle_count != handles_wanted)
        return KP_ERR_PROTOCOL;
    return KP_OK;
}
