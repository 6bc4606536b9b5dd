/* The ring natively, with a kernel that only remembers the event's signals. */
#include "runtime/program/ring.h"

#include <stdlib.h>
#include <string.h>

#include "abi/calls.h"
#include "tests/kp_test.h"

enum { CAPACITY = 4096 };

static kp_signals_t signals;
static unsigned calls;

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    (void)a0, (void)a3, (void)a4, (void)a5;
    calls++;
    if (number != KP_CALL_object_signal)
        return KP_ERR_NOT_SUPPORTED;
    signals = (signals & ~(kp_signals_t)a1) | (kp_signals_t)a2;
    return KP_OK;
}

typedef struct pair {
    kp_ring_t writer, reader;
    uint32_t *memory;
} pair_t;

/* Words of the shared page: 16 for the writer, then the reader's; position, has_ended, sleeps. */
enum { WRITER = 0, READER = 16, POSITION = 0, ENDED = 1, SLEEPS = 2 };

static pair_t make(void)
{
    pair_t pair;
    pair.memory = aligned_alloc(4096, KP_RING_VMO_SIZE(CAPACITY));
    memset(pair.memory, 0, KP_RING_VMO_SIZE(CAPACITY));
    size_t size = KP_RING_VMO_SIZE(CAPACITY);
    KP_EXPECT_INT(kp_ring_init(&pair.writer, pair.memory, size, CAPACITY, true, 1), KP_OK);
    KP_EXPECT_INT(kp_ring_init(&pair.reader, pair.memory, size, CAPACITY, false, 1), KP_OK);
    signals = 0;
    calls = 0;
    return pair;
}

KP_TEST(sizes_are_checked)
{
    uint8_t *memory = aligned_alloc(4096, 3 * 4096);
    kp_ring_t ring;
    KP_EXPECT_INT(kp_ring_init(&ring, memory, 8191, 4096, true, 1), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_ring_init(&ring, memory, 8192, 2048, true, 1), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_ring_init(&ring, memory, 12288, 5000, true, 1), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_ring_init(&ring, memory, 12288, 0, true, 1), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_ring_init(&ring, memory, SIZE_MAX, (size_t)1 << 31, true, 1),
                  KP_ERR_INVALID_ARGUMENT);
    free(memory);
}

KP_TEST(bytes_come_in_order_over_the_edge_and_the_counters_end)
{
    pair_t pair = make();
    /* As if 2^32 - 100 bytes had passed. */
    uint32_t start = (uint32_t)-100;
    pair.writer.mine = pair.writer.other = pair.reader.mine = pair.reader.other = start;
    pair.memory[WRITER + POSITION] = pair.memory[READER + POSITION] = start;
    uint8_t out[3000], in[3000], next_out = 0, next_in = 0;
    for (int round = 0; round < 50; round++) {
        size_t size = 1 + (size_t)round * 53 % sizeof(out);
        for (size_t i = 0; i < size; i++)
            out[i] = next_out++;
        KP_EXPECT_INT(kp_ring_write(&pair.writer, out, size), size);
        KP_EXPECT_INT(kp_ring_read(&pair.reader, in, sizeof(in)), size);
        for (size_t i = 0; i < size; i++)
            KP_EXPECT_INT(in[i], next_in++);
    }
    KP_EXPECT_INT(calls, 0); /* nobody slept */
    free(pair.memory);
}

KP_TEST(full_and_empty_sleep_and_wake)
{
    pair_t pair = make();
    uint8_t bytes[CAPACITY + 1] = {0};
    KP_EXPECT_INT(kp_ring_read(&pair.reader, bytes, 10), KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 1), 1);
    KP_EXPECT(signals & KP_RING_SIGNAL_DATA);
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, sizeof(bytes)), CAPACITY - 1);
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 1), KP_ERR_SHOULD_WAIT);
    KP_EXPECT(!(signals & KP_RING_SIGNAL_ROOM));
    KP_EXPECT_INT(kp_ring_read(&pair.reader, bytes, 1), 1);
    KP_EXPECT(signals & KP_RING_SIGNAL_ROOM);
    void *span;
    KP_EXPECT_INT(kp_ring_span(&pair.writer, &span), 1);
    kp_ring_advance(&pair.writer, 100); /* more than there is: only what there is */
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 1), KP_ERR_SHOULD_WAIT);
    kp_ring_end(&pair.writer);
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 1), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(kp_ring_read(&pair.reader, bytes, sizeof(bytes)), CAPACITY);
    KP_EXPECT_INT(kp_ring_read(&pair.reader, bytes, 1), 0);
    free(pair.memory);
    pair = make();
    kp_ring_end(&pair.reader);
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 1), KP_ERR_PEER_CLOSED);
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 0), 0);
    free(pair.memory);
}

KP_TEST(lies_about_positions_are_refused_for_good)
{
    uint8_t bytes[16] = {0};
    pair_t pair = make();
    pair.memory[READER + POSITION] = 1; /* more read than was written */
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 1), KP_ERR_PROTOCOL);
    pair.memory[READER + POSITION] = 0;
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 1), KP_ERR_PROTOCOL);
    pair.memory[WRITER + POSITION] = CAPACITY + 1; /* more than the ring holds */
    KP_EXPECT_INT(kp_ring_read(&pair.reader, bytes, 1), KP_ERR_PROTOCOL);
    free(pair.memory);
    pair = make();
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 10), 10);
    KP_EXPECT_INT(kp_ring_read(&pair.reader, bytes, 5), 5);
    pair.memory[WRITER + POSITION] = 9; /* backwards */
    KP_EXPECT_INT(kp_ring_read(&pair.reader, bytes, 1), KP_ERR_PROTOCOL);
    pair.memory[READER + POSITION] = 0xffffffff;
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 1), KP_ERR_PROTOCOL);
    free(pair.memory);
    /* What a side wrote itself is never read back. */
    pair = make();
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 10), 10);
    pair.memory[WRITER + POSITION] = 4000;
    KP_EXPECT_INT(kp_ring_write(&pair.writer, bytes, 6), 6);
    KP_EXPECT_INT(pair.memory[WRITER + POSITION], 16);
    free(pair.memory);
}

KP_TEST_MAIN()
