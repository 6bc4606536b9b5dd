/* Messages of a hostile tab: sizes, counts, ordinals, handles. */
#include "abi/display_list.h"
#include "shell/tab_message.h"
#include "tests/kp_test.h"

static kp_shell_tab_event_t event;

static kp_status_t parse(const void *bytes, size_t size, uint32_t handles)
{
    return kp_shell_tab_event_parse(bytes, size, handles, &event);
}

KP_TEST(load_state)
{
    struct {
        kp_tab_load_state_t head;
        char tail[8];
    } message = {{.header = {KP_TAB_LOAD_STATE, 0},
                  .load_id = 7,
                  .state = KP_TAB_LOAD_FAILED,
                  .status = KP_ERR_IO,
                  .url_size = 3,
                  .text_size = 5},
                 "urlcause"};
    memcpy(message.tail, "urlcause", 8);
    KP_EXPECT_INT(parse(&message, sizeof(message), 0), KP_OK);
    KP_EXPECT_INT(event.load.load_id, 7);
    KP_EXPECT_INT(event.load.url.size, 3);
    KP_EXPECT(memcmp(event.load.text.text, "cause", 5) == 0);
    for (size_t size = 0; size < sizeof(message); size++)
        KP_EXPECT_INT(parse(&message, size, 0), KP_ERR_PROTOCOL);
    KP_EXPECT_INT(parse(&message, sizeof(message), 1), KP_ERR_PROTOCOL); /* a stray handle */
    message.head.text_size = UINT32_MAX;
    KP_EXPECT_INT(parse(&message, sizeof(message), 0), KP_ERR_PROTOCOL);
    message.head.url_size = UINT32_MAX - 4;
    KP_EXPECT_INT(parse(&message, sizeof(message), 0), KP_ERR_PROTOCOL);
    message.head.url_size = message.head.text_size = 0;
    message.head.state = 5;
    KP_EXPECT_INT(parse(&message, sizeof(message), 0), KP_ERR_PROTOCOL);
    message.head.state = 0;
    KP_EXPECT_INT(parse(&message, sizeof(message), 0), KP_ERR_PROTOCOL);
}

KP_TEST(frame)
{
    kp_tab_frame_t frame = {.header = {KP_TAB_FRAME, 0},
                            .sequence = 3,
                            .list_size = 64,
                            .resource_count = 2,
                            .page_width = 1280,
                            .page_height = 4000};
    KP_EXPECT_INT(parse(&frame, sizeof(frame), 3), KP_OK);
    KP_EXPECT_INT(event.frame.page_height, 4000);
    KP_EXPECT_INT(parse(&frame, sizeof(frame), 2), KP_ERR_PROTOCOL);
    KP_EXPECT_INT(parse(&frame, sizeof(frame), 4), KP_ERR_PROTOCOL);
    KP_EXPECT_INT(parse(&frame, sizeof(frame) - 1, 3), KP_ERR_PROTOCOL);
    frame.resource_count = UINT32_MAX;
    KP_EXPECT_INT(parse(&frame, sizeof(frame), 0), KP_ERR_PROTOCOL);
    frame.resource_count = 0;
    KP_EXPECT_INT(parse(&frame, sizeof(frame), 1), KP_OK);
    frame.page_height = -1;
    KP_EXPECT_INT(parse(&frame, sizeof(frame), 1), KP_ERR_PROTOCOL);
    frame.page_height = KP_DISPLAY_COORDINATE_MAX + 1;
    KP_EXPECT_INT(parse(&frame, sizeof(frame), 1), KP_ERR_PROTOCOL);
    frame.page_height = 10;
    frame.list_size = KP_DISPLAY_LIST_MAX + 1;
    KP_EXPECT_INT(parse(&frame, sizeof(frame), 1), KP_ERR_PROTOCOL);
}

KP_TEST(others)
{
    struct {
        kp_tab_text_t head;
        char text[4];
    } title = {{{KP_TAB_TITLE, 0}, 4}, "abc"};
    KP_EXPECT_INT(parse(&title, sizeof(title), 0), KP_OK);
    KP_EXPECT_INT(event.text.size, 4);
    title.head.text_size = 5;
    KP_EXPECT_INT(parse(&title, sizeof(title), 0), KP_ERR_PROTOCOL);
    kp_tab_dumped_t dumped = {.header = {KP_TAB_DUMPED, 1}, .status = KP_OK, .size = 9};
    KP_EXPECT_INT(parse(&dumped, sizeof(dumped), 1), KP_OK);
    KP_EXPECT_INT(parse(&dumped, sizeof(dumped), 0), KP_ERR_PROTOCOL);
    dumped.status = KP_ERR_NO_MEMORY;
    KP_EXPECT_INT(parse(&dumped, sizeof(dumped), 0), KP_OK);
    KP_EXPECT_INT(parse(&dumped, sizeof(dumped), 1), KP_ERR_PROTOCOL);
    kp_tab_scroll_t scroll = {{KP_TAB_SCROLL_REQUEST, 0}, INT32_MIN, INT32_MAX};
    KP_EXPECT_INT(parse(&scroll, sizeof(scroll), 0), KP_OK);
    for (uint32_t ordinal = 0; ordinal < 64; ordinal++) {
        kp_message_header_t head = {ordinal, 0};
        KP_EXPECT_INT(parse(&head, sizeof(head), 0),
                      ordinal == KP_TAB_READY ? KP_OK : KP_ERR_PROTOCOL);
    }
    KP_EXPECT_INT(parse("", 0, 0), KP_ERR_PROTOCOL);
}

KP_TEST_MAIN()
