/* Two programs, one ring: a megabyte and more through 4 KiB, pieces of all sizes, both sides asleep now and
   then; and a reader that is lied to. */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/ring.h"
#include "runtime/test/memory.h"

enum { CAPACITY = 4096, TOTAL = 3000000, PIECE_MAX = 9000 };
#define PATIENCE (600 * KP_NS_PER_S)

static uint8_t piece[PIECE_MAX];

/* The byte at a place of the stream. */
static uint8_t pattern(uint32_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7);
}

static uint32_t next_size(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return 1 + (*seed >> 8) % ((*seed >> 28) ? 300 : PIECE_MAX);
}

static int write_all(kp_ring_t *ring)
{
    uint32_t seed = 1, at = 0, sleeps = 0;
    while (at < TOTAL) {
        uint32_t size = next_size(&seed);
        size = size < TOTAL - at ? size : TOTAL - at;
        for (uint32_t i = 0; i < size; i++)
            piece[i] = pattern(at + i);
        for (uint32_t done = 0; done < size;) {
            int64_t count = kp_ring_write(ring, piece + done, size - done);
            if (count == KP_ERR_SHOULD_WAIT) {
                sleeps++;
                CHECK(kp_object_wait_one(ring->event, KP_RING_SIGNAL_ROOM, kp_now() + PATIENCE,
                                         NULL) == KP_OK);
                continue;
            }
            CHECK(count > 0);
            done += (uint32_t)count;
        }
        at += size;
    }
    kp_ring_end(ring);
    CHECK(kp_ring_write(ring, piece, 1) == KP_ERR_BAD_STATE);
    CHECK(sleeps > 0);
    return 0;
}

/* The child's side: reads to the end, then says how much was right. */
int run_ring_reader(kp_handle_t control)
{
    kp_handle_t handles[2];
    uint32_t actual[2], seed = 2, at = 0;
    CHECK(kp_object_wait_one(control, KP_SIGNAL_READABLE, kp_now() + PATIENCE, NULL) == KP_OK);
    CHECK(kp_channel_read(control, NULL, 0, handles, 2, actual) == KP_OK && actual[1] == 2);
    kp_vmo_buffer_t memory;
    kp_ring_t ring;
    CHECK(kp_vmo_buffer_map(&memory, handles[0], 0, true) == KP_OK);
    CHECK(kp_ring_init(&ring, memory.bytes, memory.size, CAPACITY, false, handles[1]) == KP_OK);
    for (;;) {
        int64_t count = kp_ring_read(&ring, piece, next_size(&seed));
        if (count == 0)
            break;
        if (count == KP_ERR_SHOULD_WAIT) {
            CHECK(kp_object_wait_one(ring.event, KP_RING_SIGNAL_DATA, kp_now() + PATIENCE, NULL) ==
                  KP_OK);
            continue;
        }
        CHECK(count > 0);
        for (uint32_t i = 0; i < (uint32_t)count; i++)
            CHECK(piece[i] == pattern(at + i));
        at += (uint32_t)count;
    }
    kp_ring_end(&ring);
    report_t report = {.value = at};
    CHECK(kp_channel_write(control, &report, sizeof(report), NULL, 0) == KP_OK);
    return 0;
}

int test_ring(void)
{
    DO(take_authority());
    child_t child;
    report_t report;
    kp_vmo_buffer_t memory;
    kp_ring_t ring;
    int64_t event = kp_event_create();
    CHECK(event > 0 && kp_vmo_buffer_create(&memory, KP_RING_VMO_SIZE(CAPACITY)) == KP_OK);
    kp_handle_t event_handle = (kp_handle_t)event;
    CHECK(kp_ring_init(&ring, memory.bytes, memory.size, CAPACITY - 1, true, event_handle) ==
          KP_ERR_INVALID_ARGUMENT);
    CHECK(kp_ring_init(&ring, memory.bytes, memory.size, 2 * CAPACITY, true, event_handle) ==
          KP_ERR_INVALID_ARGUMENT);
    CHECK(kp_ring_init(&ring, memory.bytes, memory.size, CAPACITY, true, event_handle) == KP_OK);
    DO(make_child(&child, "ring", 0));
    kp_handle_t shared[2] = {(kp_handle_t)kp_vmo_buffer_share(&memory, KP_VMO_SHARE_WRITE),
                             (kp_handle_t)kp_handle_duplicate(event_handle, KP_RIGHTS_SAME)};
    CHECK(kp_channel_write(child.channel, NULL, 0, shared, 2) == KP_OK);
    CHECK(kp_process_start(child.process) == KP_OK);
    kp_time_t start = kp_now();
    DO(write_all(&ring));
    DO(hear(&child, &report));
    kp_log("figure: %d bytes through a ring of %d: %lld ns", TOTAL, CAPACITY,
           (long long)(kp_now() - start));
    CHECK(report.value == TOTAL);
    CHECK(kp_ring_write(&ring, piece, 1) == KP_ERR_BAD_STATE);
    DO(finish(&child, KP_EXIT_NORMAL, 0));
    kp_vmo_buffer_destroy(&memory);
    CHECK(kp_handle_close(event_handle) == KP_OK);
    return 0;
}
