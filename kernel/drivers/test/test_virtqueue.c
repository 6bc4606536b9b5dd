/* The split queue against a well-behaved and against a hostile device. The device's side works on
   the shared page alone, by the layout of virtio 1.x and not by the driver's structures. */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kernel/drivers/virtqueue.h"
#include "tests/kp_test.h"

typedef struct device {
    uint8_t *page;
    uint16_t size, seen, used;
    uint32_t available, used_ring;
} device_t;

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

static device_t device_make(uint8_t *page, uint16_t size)
{
    device_t device = {.page = page, .size = size, .available = size * 16u};
    device.used_ring = (device.available + 6u + 2u * size + 3u) / 4u * 4u;
    return device;
}

/* The head of the next chain the driver made available, or -1. */
static int device_next(device_t *device)
{
    if (get16(device->page + device->available + 2) == device->seen)
        return -1;
    return get16(device->page + device->available + 4 +
                 (size_t)2 * (device->seen++ % device->size));
}

static void device_finish(device_t *device, uint32_t id, uint32_t length)
{
    uint8_t *entry =
        device->page + device->used_ring + 4 + (size_t)8 * (device->used % device->size);
    put32(entry, id);
    put32(entry + 4, length);
    put16(device->page + device->used_ring + 2, ++device->used);
}

typedef struct fixture {
    kp_virtqueue_t queue;
    device_t device;
    uint8_t *page;
} fixture_t;

static void start(fixture_t *fixture, uint16_t size, bool event_index)
{
    fixture->page = aligned_alloc(4096, 4096);
    memset(fixture->page, 0, 4096);
    KP_EXPECT_INT(kp_virtqueue_init(&fixture->queue, fixture->page, size, 3, event_index), KP_OK);
    fixture->device = device_make(fixture->page, size);
}

static const kp_virtqueue_buffer_t pieces[3] = {{0x1000, 16}, {0x2000, 32}, {0x3000, 64}};

KP_TEST(virtqueue_rejects_bad_sizes)
{
    kp_virtqueue_t queue;
    uint8_t *page = aligned_alloc(4096, 4096);
    KP_EXPECT_INT(kp_virtqueue_init(&queue, page, 0, 0, false), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_virtqueue_init(&queue, page, 1, 0, false), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_virtqueue_init(&queue, page, 24, 0, false), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_virtqueue_init(&queue, page, 256, 0, false), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_virtqueue_init(&queue, page, 128, 0, false), KP_OK);
    KP_EXPECT(queue.used_offset + 6 + 128 * 8 <= 4096);
    free(page);
}

KP_TEST(virtqueue_chain_layout)
{
    fixture_t f;
    start(&f, 8, false);
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 2, 77), KP_OK);
    KP_EXPECT_INT(device_next(&f.device), -1); /* not before the kick */
    KP_EXPECT(kp_virtqueue_kick(&f.queue));
    KP_EXPECT(!kp_virtqueue_kick(&f.queue)); /* nothing new */
    int head = device_next(&f.device);
    KP_REQUIRE(head >= 0 && head < 8);
    const uint8_t *first = f.page + (size_t)16 * (size_t)head;
    KP_EXPECT_INT(get16(first + 12), 1); /* NEXT */
    KP_EXPECT_INT(first[1], 0x10);
    KP_EXPECT_INT(first[8], 16);
    const uint8_t *second = f.page + (size_t)16 * get16(first + 14);
    KP_EXPECT_INT(get16(second + 12), 3); /* NEXT | WRITE */
    const uint8_t *third = f.page + (size_t)16 * get16(second + 14);
    KP_EXPECT_INT(get16(third + 12), 2); /* WRITE */
    KP_EXPECT_INT(third[8], 64);
    uint32_t token = 0, written = 0;
    KP_EXPECT_INT(kp_virtqueue_take(&f.queue, &token, &written), KP_ERR_SHOULD_WAIT);
    device_finish(&f.device, (uint32_t)head, 96);
    KP_EXPECT_INT(kp_virtqueue_take(&f.queue, &token, &written), KP_OK);
    KP_EXPECT_INT(token, 77);
    KP_EXPECT_INT(written, 96);
    KP_EXPECT_INT(f.queue.free_count, 8);
    free(f.page);
}

KP_TEST(virtqueue_fills_and_wraps)
{
    fixture_t f;
    start(&f, 4, true);
    uint32_t token, written;
    for (uint32_t round = 0; round < 70000; round += 4) { /* the 16-bit indices wrap */
        for (uint32_t i = 0; i < 4; i++)
            KP_REQUIRE(kp_virtqueue_add(&f.queue, pieces, 1, 0, round + i) == KP_OK);
        KP_REQUIRE(kp_virtqueue_add(&f.queue, pieces, 1, 0, 9) == KP_ERR_SHOULD_WAIT);
        kp_virtqueue_kick(&f.queue);
        int heads[4];
        for (uint32_t i = 0; i < 4; i++)
            heads[i] = device_next(&f.device);
        for (uint32_t i = 0; i < 4; i++) /* out of order */
            device_finish(&f.device, (uint32_t)heads[3 - i], 0);
        for (uint32_t i = 0; i < 4; i++) {
            KP_REQUIRE(kp_virtqueue_take(&f.queue, &token, &written) == KP_OK);
            KP_REQUIRE(token == round + 3 - i);
        }
    }
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 0, 0, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 3, 2, 0), KP_ERR_INVALID_ARGUMENT);
    free(f.page);
}

KP_TEST(virtqueue_notifications)
{
    fixture_t f;
    start(&f, 8, false);
    put16(f.page + f.device.used_ring, 1); /* USED_F_NO_NOTIFY */
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 0, 1), KP_OK);
    KP_EXPECT(!kp_virtqueue_kick(&f.queue));
    kp_virtqueue_disarm(&f.queue);
    KP_EXPECT_INT(get16(f.page + f.device.available), 1);
    KP_EXPECT(!kp_virtqueue_arm(&f.queue));
    KP_EXPECT_INT(get16(f.page + f.device.available), 0);
    device_finish(&f.device, (uint32_t)device_next(&f.device), 0);
    KP_EXPECT(kp_virtqueue_arm(&f.queue));
    free(f.page);

    start(&f, 8, true);
    uint8_t *available_event = f.page + f.device.used_ring + 4 + 64;
    uint8_t *used_event = f.page + f.device.available + 4 + 16;
    put16(available_event, 1); /* ring when the second is added */
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 0, 1), KP_OK);
    KP_EXPECT(!kp_virtqueue_kick(&f.queue));
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 0, 2), KP_OK);
    KP_EXPECT(kp_virtqueue_kick(&f.queue));
    KP_EXPECT(!kp_virtqueue_arm(&f.queue));
    KP_EXPECT_INT(get16(used_event), 0);
    kp_virtqueue_disarm(&f.queue);
    KP_EXPECT_INT(get16(used_event), 0xffff);
    free(f.page);
}

/* A register whose read traps to the device, as under an emulator: its chance to work on the queue
   between the driver's write and the driver's next read, which is where a missing fence hurts. */
static struct {
    uint8_t *page;
    fixture_t *fixture;
    void (*device)(fixture_t *fixture);
    uint32_t reads;
} trapped;

static void trap(int number, siginfo_t *info, void *context)
{
    (void)context;
    if ((uint8_t *)info->si_addr != trapped.page) {
        signal(number, SIG_DFL); /* a fault of the test's own: happens again, and ends it */
        return;
    }
    trapped.reads++;
    mprotect(trapped.page, 4096, PROT_READ);
    trapped.device(trapped.fixture);
}

static void trap_next(fixture_t *fixture, void (*device)(fixture_t *fixture))
{
    fixture->queue.fence_register = trapped.page;
    trapped.fixture = fixture;
    trapped.device = device;
    mprotect(trapped.page, 4096, PROT_NONE);
}

static void device_falls_asleep(fixture_t *f)
{
    KP_EXPECT_INT(get16(f->page + f->device.available + 2), 1); /* published already */
    if (f->queue.event_index)
        put16(f->page + f->device.used_ring + 4 + 64, 0); /* ring when the first is added */
    else
        put16(f->page + f->device.used_ring, 0);
}

static void device_finishes_one(fixture_t *f)
{
    if (f->queue.event_index) /* asked for already */
        KP_EXPECT_INT(get16(f->page + f->device.available + 4 + 16), 0);
    else
        KP_EXPECT_INT(get16(f->page + f->device.available), 0);
    device_finish(&f->device, (uint32_t)device_next(&f->device), 0);
}

KP_TEST(virtqueue_fence_register)
{
    struct sigaction action = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO}, before;
    trapped.page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    KP_REQUIRE(trapped.page != MAP_FAILED && sigaction(SIGSEGV, &action, &before) == 0);
    for (int event_index = 0; event_index < 2; event_index++) {
        fixture_t f;
        uint32_t token, written;
        start(&f, 8, event_index);
        trapped.reads = 0;
        if (event_index)
            put16(f.page + f.device.used_ring + 4 + 64, 0x8000); /* awake: not now */
        else
            put16(f.page + f.device.used_ring, 1);
        trap_next(&f, device_falls_asleep);
        KP_EXPECT(!kp_virtqueue_kick(&f.queue)); /* nothing to tell: no trip to the device */
        KP_EXPECT_INT(trapped.reads, 0);
        KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 0, 1), KP_OK);
        KP_EXPECT(kp_virtqueue_kick(&f.queue));
        KP_EXPECT_INT(trapped.reads, 1);
        kp_virtqueue_disarm(&f.queue);
        trap_next(&f, device_finishes_one);
        KP_EXPECT(kp_virtqueue_arm(&f.queue));
        KP_EXPECT_INT(trapped.reads, 2);
        KP_EXPECT_INT(kp_virtqueue_take(&f.queue, &token, &written), KP_OK);
        free(f.page);
    }
    sigaction(SIGSEGV, &before, NULL);
    munmap(trapped.page, 4096);
}

/* One outstanding chain of 96 writable bytes; then what the device answers must break the queue. */
static void expect_broken(uint32_t id_offset, uint32_t length, uint16_t jump)
{
    fixture_t f;
    uint32_t token, written;
    start(&f, 8, false);
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 2, 5), KP_OK);
    kp_virtqueue_kick(&f.queue);
    int head = device_next(&f.device);
    device_finish(&f.device, (uint32_t)head + id_offset, length);
    put16(f.page + f.device.used_ring + 2, jump);
    KP_EXPECT_INT(kp_virtqueue_take(&f.queue, &token, &written), KP_ERR_IO);
    KP_EXPECT_INT(kp_virtqueue_take(&f.queue, &token, &written), KP_ERR_IO);
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 0, 6), KP_ERR_IO);
    KP_EXPECT(!kp_virtqueue_kick(&f.queue));
    free(f.page);
}

KP_TEST(virtqueue_hostile_answers)
{
    expect_broken(1, 0, 1);          /* inside a chain, not its head */
    expect_broken(4, 0, 1);          /* a free descriptor */
    expect_broken(8, 0, 1);          /* just past the table */
    expect_broken(0x7fffffff, 0, 1); /* far away */
    expect_broken(0, 97, 1);         /* more than it was given */
    expect_broken(0, 0xffffffff, 1);
    expect_broken(0, 0, 2);      /* more finished than was outstanding */
    expect_broken(0, 0, 0xffff); /* index gone backwards */
}

KP_TEST(virtqueue_double_finish)
{
    fixture_t f;
    uint32_t token, written;
    start(&f, 8, false);
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 0, 1), KP_OK);
    KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 0, 2), KP_OK);
    kp_virtqueue_kick(&f.queue);
    uint32_t head = (uint32_t)device_next(&f.device);
    device_finish(&f.device, head, 0);
    device_finish(&f.device, head, 0);
    KP_EXPECT_INT(kp_virtqueue_take(&f.queue, &token, &written), KP_OK);
    KP_EXPECT_INT(kp_virtqueue_take(&f.queue, &token, &written), KP_ERR_IO);
    free(f.page);
}

/* A device that scribbles over descriptors and the available ring changes nothing of ours. */
KP_TEST(virtqueue_scribbled_descriptors)
{
    fixture_t f;
    uint32_t token, written;
    start(&f, 8, false);
    for (uint32_t round = 0; round < 100; round++) {
        KP_EXPECT_INT(kp_virtqueue_add(&f.queue, pieces, 1, 2, round), KP_OK);
        kp_virtqueue_kick(&f.queue);
        uint32_t head = (uint32_t)device_next(&f.device);
        memset(f.page, 0xff, f.device.available);
        device_finish(&f.device, head, 0);
        KP_EXPECT_INT(kp_virtqueue_take(&f.queue, &token, &written), KP_OK);
        KP_EXPECT_INT(token, round);
    }
    KP_EXPECT_INT(f.queue.free_count, 8);
    free(f.page);
}

KP_TEST_MAIN()
