/* Frames and messages to the owner, with the kernel played by this file: one channel whose room the
   test sets, VMOs that are plain memory, a clock that jumps to what is waited for. */
#include <stdlib.h>

#include "engine/tab/tab.h"
#include "tests/kp_test.h"

#define HANDLES 2048

static struct {
    size_t room; /* messages that the channel takes before it is full */
    size_t sent; /* messages, and the last one: */
    uint8_t bytes[256];
    size_t handle_count;
    bool open[HANDLES];
    size_t next_handle;
    bool no_memory;
    kp_time_t now;
    size_t settled, settled_after; /* messages sent before settled was called */
} play;

static int64_t new_handle(void)
{
    if (play.next_handle + 1 >= HANDLES)
        abort();
    play.open[++play.next_handle] = true;
    return (int64_t)play.next_handle;
}

static size_t open_handles(void)
{
    size_t count = 0;
    for (size_t i = 0; i < HANDLES; i++)
        count += play.open[i];
    return count;
}

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    (void)a5;
    switch (number) {
    case KP_CALL_handle_close:
        if (a0 == 0 || a0 >= HANDLES || !play.open[a0])
            abort(); /* closed twice */
        play.open[a0] = false;
        return KP_OK;
    case KP_CALL_handle_duplicate:
        return new_handle();
    case KP_CALL_vmo_create:
        return play.no_memory ? KP_ERR_NO_MEMORY : new_handle();
    case KP_CALL_vmo_map:
    case KP_CALL_vmo_unmap:
        return KP_OK; /* the memory that is mapped over serves */
    case KP_CALL_channel_write: {
        const kp_handle_t *handles = (const void *)(uintptr_t)a3;
        if (!play.room)
            return KP_ERR_SHOULD_WAIT;
        play.room--;
        play.sent++;
        memset(play.bytes, 0, sizeof play.bytes);
        memcpy(play.bytes, (const void *)(uintptr_t)a1, a2 < sizeof play.bytes ? a2 : 256);
        play.handle_count = a4;
        for (size_t i = 0; i < a4; i++)
            play.open[handles[i]] = false; /* the owner has them now */
        return KP_OK;
    }
    case KP_CALL_clock_get:
        memcpy((void *)(uintptr_t)a1, &play.now, sizeof play.now);
        return KP_OK;
    case KP_CALL_object_wait_many:
        play.now += 1000 * KP_NS_PER_MS;
        return KP_ERR_TIMED_OUT;
    default:
        return KP_ERR_NOT_SUPPORTED;
    }
}

void kp_log(const char *format, ...)
{
    (void)format;
}

/* ---- the engine: one rectangle, new whenever the test says so ---- */

static bool engine_has_news;

kp_status_t kp_engine_frame(kp_engine_t *engine, kp_engine_frame_t *out)
{
    static struct {
        kp_display_list_t head;
        kp_display_rect_t rect;
    } list = {{KP_DISPLAY_LIST_MAGIC, sizeof(kp_display_rect_t), 1, 0},
              {{KP_DISPLAY_RECT, sizeof(kp_display_rect_t)}, 1, 2, 3, 4, 0xff000000}};
    (void)engine;
    if (!engine_has_news)
        return KP_ERR_SHOULD_WAIT;
    engine_has_news = false;
    *out = (kp_engine_frame_t){.list = (const uint8_t *)&list,
                               .list_size = sizeof list,
                               .page_width = 10,
                               .page_height = 20};
    return KP_OK;
}

static kp_loop_t loop;
static kp_outbox_t outbox;
static kp_tab_resources_t resources;
static kp_tab_frames_t frames;
static uint32_t load_id;

static void on_settled(void *context)
{
    (void)context;
    play.settled++;
    play.settled_after = play.sent;
}

static void begin(void)
{
    memset(&play, 0, sizeof play);
    play.room = 1000;
    load_id = 7;
    engine_has_news = true;
    kp_loop_init(&loop);
    kp_outbox_init(&outbox, 1);
    memset(&resources, 0, sizeof resources);
    kp_tab_frames_init(&frames, &loop, &outbox, &resources, &load_id);
    frames.settled = on_settled;
    frames.is_configured = true;
}

static void end(void)
{
    kp_outbox_clear(&outbox);
    while (resources.count)
        kp_tab_resources_destroy(&resources, resources.items[0].id);
    kp_vmo_buffer_destroy(&frames.lists[0]);
    kp_vmo_buffer_destroy(&frames.lists[1]);
    KP_EXPECT_INT(open_handles(), 0);
    free(frames.commands);
    free(resources.items);
    free(resources.dropped);
    kp_loop_clear(&loop);
}

static void run(unsigned steps)
{
    while (steps--)
        (void)kp_loop_step(&loop, play.now + 5000 * KP_NS_PER_MS);
}

static const kp_tab_frame_t *last_frame(void)
{
    static kp_tab_frame_t frame;
    memcpy(&frame, play.bytes, sizeof frame);
    return &frame;
}

KP_TEST(tab_one_frame_is_in_flight)
{
    begin();
    kp_tab_frames_want(&frames);
    run(4);
    KP_EXPECT_INT(play.sent, 1);
    KP_EXPECT_INT(last_frame()->header.ordinal, KP_TAB_FRAME);
    KP_EXPECT_INT(last_frame()->load_id, 7);
    KP_EXPECT_INT(last_frame()->list_size, sizeof(kp_display_list_t) + sizeof(kp_display_rect_t));
    uint32_t sequence = last_frame()->sequence;
    engine_has_news = true;
    kp_tab_frames_want(&frames);
    run(4);
    kp_tab_frames_done(&frames, sequence + 1); /* of no frame */
    run(4);
    KP_EXPECT_INT(play.sent, 1);
    kp_tab_frames_done(&frames, sequence);
    run(4);
    KP_EXPECT_INT(play.sent, 2);
    KP_EXPECT_INT(last_frame()->sequence, sequence + 1);
    kp_tab_frames_done(&frames, sequence); /* an old one again */
    engine_has_news = true;
    kp_tab_frames_want(&frames);
    run(4);
    KP_EXPECT_INT(play.sent, 2);
    end();
}

KP_TEST(tab_nothing_new_sends_nothing)
{
    begin();
    kp_tab_frames_want(&frames);
    run(2);
    kp_tab_frames_done(&frames, last_frame()->sequence);
    kp_tab_frames_want(&frames);
    run(4);
    KP_EXPECT_INT(play.sent, 1);
    frames.is_owed = true; /* as after CONFIGURE */
    kp_tab_frames_want(&frames);
    run(2);
    KP_EXPECT_INT(play.sent, 2);
    end();
}

KP_TEST(tab_many_resources_take_many_frames)
{
    uint8_t *pixels;
    begin();
    for (uint32_t id = 1; id <= 150; id++)
        KP_REQUIRE(kp_tab_resources_create(&resources, id, KP_DISPLAY_FORMAT_A8, 4, 4, 4,
                                           &pixels) == KP_OK);
    kp_tab_frames_want_now(&frames);
    static const size_t counts[] = {63, 63, 24};
    for (size_t i = 0; i < 3; i++) {
        run(4);
        KP_EXPECT_INT(play.sent, i + 1);
        KP_EXPECT_INT(last_frame()->resource_count, counts[i]);
        KP_EXPECT_INT(play.handle_count, counts[i] + 1);
        KP_EXPECT_INT(play.settled, i == 2);
        kp_tab_frames_done(&frames, last_frame()->sequence);
    }
    run(4);
    KP_EXPECT_INT(play.sent, 3);
    KP_EXPECT_INT(play.settled_after, 3); /* the load's end comes behind the whole page */
    end();
}

KP_TEST(tab_settles_behind_the_frame)
{
    begin();
    kp_tab_frames_want_now(&frames);
    run(3);
    KP_EXPECT(play.settled == 1 && play.settled_after == 1);
    /* A second end waits for the frame in flight. */
    engine_has_news = true;
    kp_tab_frames_want_now(&frames);
    run(3);
    KP_EXPECT_INT(play.settled, 1);
    kp_tab_frames_done(&frames, last_frame()->sequence);
    run(3);
    KP_EXPECT(play.settled == 2 && play.settled_after == 2);
    end();
}

KP_TEST(tab_frame_survives_missing_memory)
{
    begin();
    play.no_memory = true;
    kp_tab_frames_want(&frames);
    run(3);
    KP_EXPECT_INT(play.sent, 0);
    uint8_t *pixels;
    KP_EXPECT_INT(
        kp_tab_resources_create(&resources, 1, KP_DISPLAY_FORMAT_BGRA8, 4, 4, 16, &pixels),
        KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(resources.count, 0);
    play.no_memory = false; /* nothing new comes from the engine: the frame is still owed */
    run(3);
    KP_EXPECT_INT(play.sent, 1);
    end();
}

KP_TEST(tab_full_channel_keeps_the_order)
{
    begin();
    play.room = 0;
    uint32_t numbers[3] = {101, 102, 103};
    for (int i = 0; i < 3; i++) {
        kp_message_part_t part = {&numbers[i], sizeof numbers[i]};
        KP_EXPECT_INT(kp_outbox_send(&outbox, &part, 1, NULL, 0), KP_OK);
    }
    KP_EXPECT(!kp_outbox_is_empty(&outbox) && play.sent == 0);
    play.room = 1;
    KP_EXPECT_INT(kp_outbox_flush(&outbox), KP_ERR_SHOULD_WAIT);
    KP_EXPECT(memcmp(play.bytes, &numbers[0], 4) == 0 && play.sent == 1);
    play.room = 9;
    KP_EXPECT_INT(kp_outbox_flush(&outbox), KP_OK);
    KP_EXPECT(memcmp(play.bytes, &numbers[2], 4) == 0 && play.sent == 3);
    /* An owner that reads nothing costs only so much memory, and no handle. */
    play.room = 0;
    static uint8_t block[32768];
    kp_message_part_t part = {block, sizeof block};
    size_t fits = KP_OUTBOX_BYTES_MAX / sizeof block;
    for (size_t i = 0; i <= fits; i++) {
        kp_handle_t handle = (kp_handle_t)new_handle();
        KP_EXPECT_INT(kp_outbox_send(&outbox, &part, 1, &handle, 1),
                      i < fits ? KP_OK : KP_ERR_QUOTA);
    }
    KP_EXPECT_INT(open_handles(), fits);
    end();
}

KP_TEST_MAIN()
