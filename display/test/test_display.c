/* The display service against honest, hasty and hostile clients. */
#include "display/display.h"
#include "display/test/fake_kernel.h"
#include "display/test/list_builder.h"
#include "tests/kp_test.h"

static kp_display_t display;
static kp_list_builder_t list;

static void run(void)
{
    for (int i = 0; i < 50; i++)
        kp_loop_step(&display.loop, KP_TIME_POLL);
}

static void start(void)
{
    memset(&display, 0, sizeof display);
    KP_EXPECT_INT(kp_display_open(&display), KP_OK);
}

static void stop(void)
{
    while (display.clients)
        kp_client_destroy(display.clients);
    kp_painter_clear(&display.compositor.painter);
    kp_vmo_buffer_destroy(&display.screen.pixels);
    kp_loop_clear(&display.loop);
    KP_EXPECT_INT(fake_open_count(), 0);
    fake_reset();
}

/* The next message of one kind; others are dropped. */
static bool expect(kp_handle_t client, uint32_t ordinal, void *out, size_t size,
                   kp_handle_t *handle)
{
    uint8_t bytes[256];
    kp_message_header_t header;
    for (;;) {
        size_t got = fake_receive(client, bytes, sizeof bytes, handle);
        if (got < sizeof header)
            return false;
        memcpy(&header, bytes, sizeof header);
        if (header.ordinal == ordinal && got == size) {
            memcpy(out, bytes, size);
            return true;
        }
    }
}

static uint32_t new_surface(kp_handle_t client)
{
    kp_message_header_t create = {KP_DISPLAY_SURFACE_CREATE, 7};
    kp_display_surface_t created = {.surface = 0};
    kp_handle_t none;
    fake_send(client, &create, sizeof create, NULL, 0);
    run();
    KP_EXPECT(expect(client, KP_DISPLAY_SURFACE_CREATED, &created, sizeof created, &none));
    KP_EXPECT_INT(created.header.txid, 7);
    return created.surface;
}

static void one_rect(uint32_t color)
{
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_RECT, kp_display_rect_t, .x = 0, .y = 0, .width = 100,
             .height = 1000, .color = color);
    list_finish(&list);
}

static void send_present(kp_handle_t client, uint32_t surface, uint32_t sequence, kp_handle_t extra)
{
    kp_display_present_t present = {.header = {KP_DISPLAY_SURFACE_PRESENT, 9},
                                    .surface = surface,
                                    .sequence = sequence,
                                    .list_size = (uint32_t)list.size,
                                    .background = 0xff102030,
                                    .page_width = 200,
                                    .page_height = 1000};
    kp_handle_t handles[2] = {fake_vmo(list.bytes, list.size), extra};
    fake_send(client, &present, sizeof present, handles, extra ? 2 : 1);
}

static kp_status_t presented(kp_handle_t client, uint32_t sequence)
{
    kp_display_presented_t reply = {.status = KP_ERR_TIMED_OUT};
    kp_handle_t none;
    run();
    if (expect(client, KP_DISPLAY_PRESENTED, &reply, sizeof reply, &none))
        KP_EXPECT_INT(reply.sequence, sequence);
    return reply.status;
}

static void place(kp_handle_t client, uint32_t surface, int32_t scroll_y, uint32_t order)
{
    kp_display_place_t request = {.header = {KP_DISPLAY_SURFACE_PLACE, 1},
                                  .surface = surface,
                                  .x = 10,
                                  .y = 20,
                                  .width = 120,
                                  .height = 100,
                                  .scroll_y = scroll_y,
                                  .order = order};
    fake_send(client, &request, sizeof request, NULL, 0);
}

static uint32_t screen_pixel(int x, int y)
{
    const uint32_t *pixels = fake_vmo_bytes(fake_screen.scanout);
    return pixels[y * 200 + x] & 0xffffff;
}

KP_TEST(display_shows_a_surface)
{
    fake_reset();
    start();
    kp_handle_t client = fake_connect();
    uint32_t surface = new_surface(client);
    KP_EXPECT_INT(fake_screen.flushes, 0); /* nothing to show yet */
    place(client, surface, 0, 0);
    one_rect(0xffaabbcc);
    send_present(client, surface, 1, 0);
    KP_EXPECT_INT(presented(client, 1), KP_OK);
    KP_EXPECT_INT(screen_pixel(10, 20), 0xaabbcc);
    KP_EXPECT_INT(screen_pixel(109, 119), 0xaabbcc);
    KP_EXPECT_INT(screen_pixel(110, 60), 0x102030); /* background beside the rectangle */
    KP_EXPECT(screen_pixel(9, 60) != 0xaabbcc);
    KP_EXPECT_INT(fake_screen.first_paint_marks, 1);
    size_t flushes = fake_screen.flushes;
    run();
    KP_EXPECT_INT(fake_screen.flushes, flushes);
    stop();
}

KP_TEST(display_mark_is_for_pages_only)
{
    fake_reset();
    start();
    kp_handle_t client = fake_connect();
    uint32_t bar = new_surface(client), page = new_surface(client);
    one_rect(0xff000000);
    place(client, bar, 0, 1);
    send_present(client, bar, 1, 0);
    KP_EXPECT_INT(presented(client, 1), KP_OK);
    KP_EXPECT_INT(fake_screen.first_paint_marks, 0);
    place(client, page, 0, 0);
    send_present(client, page, 1, 0);
    KP_EXPECT_INT(presented(client, 1), KP_OK);
    KP_EXPECT_INT(fake_screen.first_paint_marks, 1);
    stop();
}

KP_TEST(display_headless_captures)
{
    fake_reset();
    fake_screen.exists = false;
    start();
    kp_handle_t client = fake_connect(), handle = KP_HANDLE_NONE;
    uint32_t surface = new_surface(client);
    one_rect(0xff778899);
    send_present(client, surface, 3, 0);
    KP_EXPECT_INT(presented(client, 3), KP_OK);
    kp_display_capture_t capture = {.header = {KP_DISPLAY_CAPTURE, 5},
                                    .surface = surface,
                                    .x = 90,
                                    .y = 990,
                                    .width = 40,
                                    .height = 20};
    kp_display_captured_t captured = {.status = KP_ERR_TIMED_OUT};
    fake_send(client, &capture, sizeof capture, NULL, 0);
    run();
    KP_REQUIRE(expect(client, KP_DISPLAY_CAPTURED, &captured, sizeof captured, &handle));
    KP_EXPECT_INT(captured.status, KP_OK);
    KP_EXPECT_INT(captured.stride, 160);
    const uint32_t *pixels = fake_vmo_bytes(handle);
    KP_EXPECT_INT(pixels[0] & 0xffffff, 0x778899);
    KP_EXPECT_INT(pixels[10] & 0xffffff, 0x102030);
    KP_EXPECT_INT(pixels[40 * 10] & 0xffffff, 0x102030); /* below the page */
    fake_close(handle);
    static const uint32_t sizes[][2] = {{0, 1}, {1, 0}, {16385, 1}, {1, 0xffffffff}};
    for (int i = 0; i < 4; i++) {
        capture.width = sizes[i][0];
        capture.height = sizes[i][1];
        fake_send(client, &capture, sizeof capture, NULL, 0);
        run();
        KP_EXPECT(expect(client, KP_DISPLAY_CAPTURED, &captured, sizeof captured, &handle));
        KP_EXPECT_INT(captured.status, KP_ERR_INVALID_ARGUMENT);
        KP_EXPECT_INT(handle, KP_HANDLE_NONE);
    }
    kp_message_header_t ask = {KP_DISPLAY_SCREEN_INFO, 6};
    kp_display_screen_t info = {.width = 9};
    fake_send(client, &ask, sizeof ask, NULL, 0);
    run();
    KP_EXPECT(expect(client, KP_DISPLAY_SCREEN_INFO, &info, sizeof info, &handle));
    KP_EXPECT(info.width == 0 && info.height == 0 && info.scale == 256);
    stop();
}

KP_TEST(display_refuses_bad_frames_and_keeps_the_old)
{
    fake_reset();
    start();
    kp_handle_t client = fake_connect();
    uint32_t surface = new_surface(client);
    place(client, surface, 0, 0);
    one_rect(0xffaabbcc);
    send_present(client, surface, 1, 0);
    KP_EXPECT_INT(presented(client, 1), KP_OK);
    /* Garbage, a size beyond the VMO, no VMO, a surface that is not there, something not a VMO. */
    memset(list.bytes, 0xee, list.size);
    send_present(client, surface, 2, 0);
    KP_EXPECT_INT(presented(client, 2), KP_ERR_BAD_FORMAT);
    one_rect(0xff000000);
    size_t size = list.size;
    kp_display_present_t present = {.header = {KP_DISPLAY_SURFACE_PRESENT, 9},
                                    .surface = surface,
                                    .sequence = 3,
                                    .list_size = 9000};
    kp_handle_t vmo = fake_vmo(list.bytes, size);
    fake_send(client, &present, sizeof present, &vmo, 1);
    KP_EXPECT_INT(presented(client, 3), KP_ERR_OUT_OF_RANGE);
    present.list_size = 0xffffffff;
    vmo = fake_vmo(list.bytes, size);
    fake_send(client, &present, sizeof present, &vmo, 1);
    KP_EXPECT_INT(presented(client, 3), KP_ERR_TOO_LARGE);
    fake_send(client, &present, sizeof present, NULL, 0);
    KP_EXPECT_INT(presented(client, 3), KP_ERR_PROTOCOL);
    send_present(client, surface + 5, 4, 0);
    KP_EXPECT_INT(presented(client, 4), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(screen_pixel(50, 50), 0xaabbcc);
    stop();
}

static void list_with_image(uint32_t height)
{
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 1,
             .format = KP_DISPLAY_FORMAT_BGRA8, .width = 64, .height = height, .stride = 256);
    LIST_ADD(&list, KP_DISPLAY_IMAGE, kp_display_image_t, .resource = 1, .width = 64, .height = 16,
             .source_width = 64, .source_height = 16, .opacity = 255);
    list_finish(&list);
}

KP_TEST(display_maps_resources_within_their_vmo)
{
    static uint32_t pixels[64 * 16];
    memset(pixels, 0xff, sizeof pixels);
    fake_reset();
    start();
    kp_handle_t client = fake_connect();
    uint32_t surface = new_surface(client);
    place(client, surface, 0, 0);
    list_with_image(17); /* one row more than a page holds */
    send_present(client, surface, 1, fake_vmo(pixels, sizeof pixels));
    KP_EXPECT_INT(presented(client, 1), KP_ERR_OUT_OF_RANGE);
    list_with_image(16);
    send_present(client, surface, 2, 0); /* the handle is missing */
    KP_EXPECT_INT(presented(client, 2), KP_ERR_PROTOCOL);
    for (uint32_t i = 3; i < 40; i++) { /* replacing does not pile up */
        send_present(client, surface, i, fake_vmo(pixels, sizeof pixels));
        KP_EXPECT_INT(presented(client, i), KP_OK);
    }
    KP_EXPECT_INT(screen_pixel(10, 20), 0xffffff);
    KP_EXPECT_INT(screen_pixel(73, 35), 0xffffff);
    KP_EXPECT_INT(screen_pixel(74, 35), 0x102030);
    KP_EXPECT_INT(display.clients->surfaces->mapped_bytes, sizeof pixels);
    stop();
}

KP_TEST(display_scrolls_by_moving)
{
    fake_reset();
    start();
    kp_handle_t client = fake_connect();
    uint32_t surface = new_surface(client);
    place(client, surface, 0, 0);
    one_rect(0xff336699);
    send_present(client, surface, 1, 0);
    KP_EXPECT_INT(presented(client, 1), KP_OK);
    for (int32_t y = 5; y <= 950; y += 45)
        place(client, surface, y, 0);
    run();
    KP_EXPECT_INT(screen_pixel(50, 20), 0x336699);
    KP_EXPECT_INT(screen_pixel(50, 119), 0x102030); /* beyond the page's end */
    place(client, surface, 940, 0);
    run();
    KP_EXPECT_INT(display.compositor.scrolls, 1);
    KP_EXPECT_INT(screen_pixel(50, 79), 0x336699);
    KP_EXPECT_INT(screen_pixel(50, 80), 0x102030);
    stop();
}

KP_TEST(display_drops_clients_that_break_the_protocol)
{
    static const kp_display_place_t far = {
        .header = {KP_DISPLAY_SURFACE_PLACE, 1}, .surface = 1, .x = INT32_MAX, .width = 0xffffffff};
    fake_reset();
    start();
    for (int way = 0; way < 4; way++) {
        kp_handle_t client = fake_connect();
        uint32_t surface = new_surface(client);
        KP_EXPECT_INT(surface, 1);
        one_rect(0xff000000);
        send_present(client, surface, 1, 0);
        if (way == 0)
            fake_send(client, &far, sizeof far, NULL, 0);
        if (way == 1)
            fake_send(client, "\4\0\0\0", 4, NULL, 0); /* shorter than a head */
        if (way == 2)
            fake_send(client, &far, sizeof far - 4, NULL, 0);
        if (way == 3)
            fake_send(client, "\xff\xff\0\0\1\0\0\0", 8, NULL, 0);
        run();
        KP_EXPECT(!display.clients);
        fake_close(client);
        KP_EXPECT_INT(fake_open_count(), 1); /* the scan-out */
    }
    kp_handle_t client = fake_connect();
    KP_EXPECT_INT(new_surface(client), 1); /* others are served */
    fake_close(client);
    run();
    KP_EXPECT(!display.clients);
    stop();
}

KP_TEST(display_waits_for_slow_clients)
{
    fake_reset();
    start();
    kp_handle_t client = fake_connect();
    uint32_t surface = new_surface(client);
    fake_screen.queue_limit = 2;
    uint32_t answered = 0;
    kp_display_presented_t reply;
    kp_handle_t none;
    one_rect(0xff000000);
    for (uint32_t i = 1; i <= 10; i++) { /* sent in two rounds of the client's own queue */
        send_present(client, surface, i, 0);
        run();
    }
    for (int i = 0; i < 20; i++) {
        while (expect(client, KP_DISPLAY_PRESENTED, &reply, sizeof reply, &none))
            KP_EXPECT_INT(reply.sequence, ++answered); /* in order, none lost */
        run();
    }
    KP_EXPECT_INT(answered, 10);
    stop();
}

static kp_input_event_t event(uint16_t type, uint16_t code, int32_t value)
{
    return (kp_input_event_t){.type = type, .code = code, .value = value};
}

KP_TEST(display_passes_input_to_the_front_client)
{
    fake_reset();
    start();
    kp_handle_t idle = fake_connect(), client = fake_connect();
    uint32_t surface = new_surface(client);
    place(client, surface, 0, 0);
    one_rect(0xff000000);
    send_present(client, surface, 1, 0);
    KP_EXPECT_INT(presented(client, 1), KP_OK);
    kp_input_event_t events[] = {
        event(KP_INPUT_ABSOLUTE, 0, 100),   event(KP_INPUT_ABSOLUTE, 0, 16384),
        event(KP_INPUT_ABSOLUTE, 1, 32767), event(KP_INPUT_SYNC, 0, 0),
        event(KP_INPUT_KEY, 0x110, 1),      event(KP_INPUT_RELATIVE, 8, -2),
        event(KP_INPUT_KEY, 30, 1),         event(KP_INPUT_RELATIVE, 0, -500),
    };
    fake_input(events, sizeof events / sizeof events[0]);
    run();
    static const struct {
        uint32_t kind, code;
        int32_t value, x, y;
    } expected[] = {
        {KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 100, 149},
        {KP_DISPLAY_INPUT_BUTTON, 0x110, 1, 100, 149},
        {KP_DISPLAY_INPUT_WHEEL, 0, -2, 100, 149},
        {KP_DISPLAY_INPUT_KEY, 30, 1, 100, 149},
        {KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 0, 149},
    };
    kp_display_input_t got;
    kp_handle_t none;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        KP_REQUIRE(expect(client, KP_DISPLAY_INPUT, &got, sizeof got, &none));
        KP_EXPECT_INT(got.kind, expected[i].kind);
        KP_EXPECT_INT(got.code, expected[i].code);
        KP_EXPECT_INT(got.value, expected[i].value);
        KP_EXPECT_INT(got.x, expected[i].x);
        KP_EXPECT_INT(got.y, expected[i].y);
    }
    KP_EXPECT(!expect(client, KP_DISPLAY_INPUT, &got, sizeof got, &none));
    KP_EXPECT(!expect(idle, KP_DISPLAY_INPUT, &got, sizeof got, &none));
    KP_EXPECT_INT(screen_pixel(0, 149), 0); /* the software cursor's tip */
    stop();
}

KP_TEST(display_uses_the_hardware_cursor)
{
    fake_reset();
    fake_screen.has_cursor = true;
    start();
    kp_handle_t client = fake_connect();
    uint32_t surface = new_surface(client);
    place(client, surface, 0, 0);
    one_rect(0xffffffff);
    send_present(client, surface, 1, 0);
    KP_EXPECT_INT(presented(client, 1), KP_OK);
    size_t flushes = fake_screen.flushes, moves = fake_screen.cursor_moves;
    kp_input_event_t events[] = {event(KP_INPUT_ABSOLUTE, 0, 5000),
                                 event(KP_INPUT_ABSOLUTE, 1, 9000)};
    fake_input(events, 2);
    run();
    KP_EXPECT_INT(fake_screen.flushes, flushes);
    KP_EXPECT_INT(fake_screen.cursor_moves, moves + 1);
    stop();
}

KP_TEST_MAIN()
