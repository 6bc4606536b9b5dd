/* Buffers outside of memory, in pieces of it that cannot be written, and more memory than there is. */
#include <stdlib.h>
#include <string.h>

#include "tests/hostile/hostile.h"

/* Every way to miss a buffer of `need` bytes. */
static uint64_t bad_address(unsigned way, uint64_t need)
{
    uint64_t size = hostile_memory_size();
    switch (way) {
    case 0:
        return size - need + 1;
    case 1:
        return size;
    case 2:
        return UINT32_MAX;
    case 3:
        return UINT32_MAX - need + 1;
    case 4:
        return 1ull << 32;
    case 5:
        return UINT64_MAX - need + 1;
    case 6:
        return 0xffff800000000000ull;
    case 7:
        return (1ull << 47) - need;
    default:
        return 1ull << 63;
    }
}
enum { BAD_WAYS = 9 };

int abuse_bad_buffers(void)
{
    kp_handle_t vmo = (kp_handle_t)kp_vmo_create(65536);
    char bytes[64] = {0};
    for (unsigned way = 0; way < BAD_WAYS; way++) {
        CHECK(RAW(clock_get, 0, bad_address(way, 8)) == KP_ERR_BAD_ADDRESS);
        CHECK(RAW(random_get, bad_address(way, 100), 100) == KP_ERR_BAD_ADDRESS);
        CHECK(RAW(debug_log, bad_address(way, 10), 10) == KP_ERR_BAD_ADDRESS);
        CHECK(RAW(vmo_read, vmo, 0, bad_address(way, 64), 64) == KP_ERR_BAD_ADDRESS);
        CHECK(RAW(vmo_write, vmo, 0, bad_address(way, 64), 64) == KP_ERR_BAD_ADDRESS);
        CHECK(RAW(channel_create, bad_address(way, 8)) == KP_ERR_BAD_ADDRESS);
        CHECK(RAW(channel_write, hostile_control, bad_address(way, 64), 64, 0, 0) ==
              KP_ERR_BAD_ADDRESS);
        CHECK(RAW(channel_write, hostile_control, kp_mem(bytes), 64, bad_address(way, 8), 2) ==
              KP_ERR_BAD_ADDRESS);
        CHECK(RAW(object_info, vmo, bad_address(way, 16)) == KP_ERR_BAD_ADDRESS);
        CHECK(RAW(object_wait_many, bad_address(way, 24), 2, 0) == KP_ERR_BAD_ADDRESS);
        CHECK(RAW(channel_call, hostile_control, bad_address(way, 40), 0) < 0);
        CHECK(RAW(channel_receive, hostile_control, bad_address(way, 20), 0) < 0);
    }
    CHECK(RAW(random_get, kp_mem(bytes), UINT64_MAX) < 0);
    CHECK(RAW(vmo_read, vmo, UINT64_MAX - 3, kp_mem(bytes), 64) == KP_ERR_OUT_OF_RANGE);
    CHECK(RAW(vmo_read, vmo, 65530, kp_mem(bytes), 64) == KP_ERR_OUT_OF_RANGE);
    CHECK(RAW(channel_write, hostile_control, kp_mem(bytes), UINT64_MAX, 0, 0) == KP_ERR_TOO_LARGE);
    return 0;
}

/* Bytes, handles and counts of one call lie over each other. */
int abuse_overlapping_buffers(void)
{
    kp_handle_t ends[2];
    union {
        uint8_t bytes[256];
        kp_handle_t handles[64];
        uint32_t actual[2];
    } all;
    CHECK(kp_channel_create(ends) == KP_OK);
    for (int i = 0; i < 200; i++) {
        int64_t event = kp_event_create();
        CHECK(event > 0);
        memset(&all, 0x5a, sizeof(all));
        all.handles[0] = (kp_handle_t)event;
        CHECK(RAW(channel_write, ends[0], kp_mem(&all), 64, kp_mem(&all), 1) == KP_OK);
        int64_t status =
            RAW(channel_read, ends[1], kp_mem(&all), 64, kp_mem(&all), 1, kp_mem(&all));
        CHECK(status == KP_OK);
        /* What the buffers say now is our own fault, but every one of these is a live answer. */
    }
    CHECK(kp_handle_close(ends[0]) == KP_OK && kp_handle_close(ends[1]) == KP_OK);
    return 0;
}

int abuse_read_only_buffers(void)
{
    static _Alignas(4096) uint8_t place[8192];
    kp_handle_t vmo = (kp_handle_t)kp_vmo_create(8192), ends[2];
    CHECK(kp_vmo_map(vmo, 0, place + 4096, 4096, 0) == KP_OK);
    CHECK(RAW(object_info, vmo, kp_mem(place + 4096)) == KP_ERR_BAD_ADDRESS);
    CHECK(RAW(vmo_read, vmo, 0, kp_mem(place + 4096), 64) == KP_ERR_BAD_ADDRESS);
    CHECK(RAW(channel_create, kp_mem(place + 4096)) == KP_ERR_BAD_ADDRESS);
    /* A message that cannot be delivered stays in the queue. */
    CHECK(kp_channel_create(ends) == KP_OK);
    CHECK(kp_channel_write(ends[0], "message", 7, NULL, 0) == KP_OK);
    uint32_t actual[2];
    CHECK(RAW(channel_read, ends[1], kp_mem(place + 4096), 64, 0, 0, kp_mem(actual)) ==
          KP_ERR_BAD_ADDRESS);
    CHECK(kp_channel_read(ends[1], place, 64, NULL, 0, actual) == KP_OK && actual[0] == 7);
    CHECK(kp_vmo_unmap(place + 4096, 4096) == KP_OK);
    CHECK(RAW(object_info, vmo, kp_mem(place + 4096)) == KP_OK);
    return 0;
}

/* Maps over its own data, stack and code's constants: it may kill itself, nobody else. */
int abuse_mapping_over_everything(void)
{
    kp_handle_t vmo = (kp_handle_t)kp_vmo_create(1u << 20);
    for (uint64_t at = hostile_memory_size(); at > 0; at -= KP_WASM_PAGE_SIZE)
        (void)RAW(vmo_map, vmo, 0, at - KP_WASM_PAGE_SIZE, KP_WASM_PAGE_SIZE, at % 3 ? 1 : 0);
    return 0;
}

int abuse_memory_flood(void)
{
    size_t grown = 0;
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {
        /* Touch a page of each, so that it is real. */
        volatile uint8_t *end = (volatile uint8_t *)(uintptr_t)hostile_memory_size();
        for (uint64_t back = 16 * KP_WASM_PAGE_SIZE; back > 0; back -= KP_WASM_PAGE_SIZE)
            end[-(int64_t)back] = 1;
        grown += 16;
    }
    CHECK(grown > 0);
    /* Behind the back of the program's own runtime. */
    CHECK(RAW(memory_grow, UINT64_MAX) < 0);
    CHECK(RAW(memory_grow, 1ull << 32) < 0);
    return 0;
}

int abuse_vmo_flood(void)
{
    static uint8_t bytes[4096];
    int64_t made = 0;
    uint64_t count = 0;
    while ((made = kp_vmo_create(16u << 20)) > 0) {
        CHECK(kp_vmo_write((kp_handle_t)made, 0, bytes, sizeof(bytes)) == KP_OK);
        count++;
    }
    CHECK(is_limit(made) && count > 0);
    /* Small ones too. */
    while ((made = kp_vmo_create(1)) > 0)
        count++;
    CHECK(is_limit(made));
    return 0;
}

int abuse_mapping_flood(void)
{
    enum { PAGES = 20000 };
    uint8_t *place = aligned_alloc(4096, (size_t)PAGES * 4096);
    kp_handle_t vmo = (kp_handle_t)kp_vmo_create(8192);
    kp_status_t status = KP_OK;
    CHECK(place && vmo);
    /* Every second page, so that nothing merges. */
    for (size_t i = 0; i < PAGES && status == KP_OK; i += 2)
        status =
            kp_vmo_map(vmo, i % 4 * 2048, place + i * 4096, 4096, i % 8 ? KP_VMO_MAP_WRITE : 0);
    CHECK(status == KP_OK || is_limit(status));
    return 0;
}

int abuse_huge_vmo(void)
{
    CHECK(kp_vmo_create(0) < 0);
    CHECK(kp_vmo_create(UINT64_MAX) < 0);
    CHECK(kp_vmo_create(UINT64_MAX - 4096) < 0);
    CHECK(kp_vmo_create(1ull << 40) < 0);
    int64_t large = kp_vmo_create(1ull << 32);
    CHECK(large > 0 || is_limit(large));
    return 0;
}
