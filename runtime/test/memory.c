/* The program side of the tests of VMOs, processes and snapshots; the same program runs hosted
   (hosted.c) and in QEMU (memory.sh), there as the shell. argv[1] says which case. A case returns 0,
   or the line of the check that failed. */
#include "runtime/test/memory.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

/* Clones while the source is mapped here: what either side writes later stays its own. */
static int test_clones(void)
{
    enum { PAGES = 8 };
    kp_vmo_buffer_t source, copies[2];
    CHECK(kp_vmo_buffer_create(&source, PAGES * PAGE) == KP_OK);
    volatile uint8_t *bytes = source.bytes;
    for (unsigned i = 0; i < PAGES; i++)
        bytes[i * PAGE] = (uint8_t)(i + 1);
    int64_t first = kp_vmo_clone(source.vmo, 0, PAGES * PAGE);
    CHECK(first > 0);
    bytes[0] = 100;
    CHECK(kp_vmo_buffer_map(&copies[0], (kp_handle_t)first, 0, true) == KP_OK);
    volatile uint8_t *copy = copies[0].bytes;
    CHECK(copy[0] == 1 && copy[PAGE] == 2 && bytes[0] == 100);
    copy[PAGE] = 50;
    CHECK(bytes[PAGE] == 2);
    int64_t second = kp_vmo_clone(copies[0].vmo, PAGE, 2 * PAGE);
    CHECK(second > 0);
    copy[PAGE] = 51;
    copy[2 * PAGE] = 52;
    CHECK(kp_vmo_buffer_map(&copies[1], (kp_handle_t)second, 0, true) == KP_OK);
    volatile uint8_t *grandchild = copies[1].bytes;
    CHECK(grandchild[0] == 50 && grandchild[PAGE] == 3);
    grandchild[0] = 60;
    CHECK(copy[PAGE] == 51 && bytes[PAGE] == 2);
    /* The middle one goes first. */
    kp_vmo_buffer_destroy(&copies[0]);
    CHECK(grandchild[0] == 60 && grandchild[PAGE] == 3 && bytes[2 * PAGE] == 3);
    kp_vmo_buffer_destroy(&source);
    CHECK(grandchild[0] == 60 && grandchild[PAGE] == 3);
    kp_vmo_buffer_destroy(&copies[1]);
    return 0;
}

/* What other mappings and the kernel's copies see of a page that was just parted. */
static int test_clone_mappings(void)
{
    kp_vmo_buffer_t source;
    CHECK(kp_vmo_buffer_create(&source, 2 * PAGE) == KP_OK);
    volatile uint8_t *bytes = source.bytes;
    volatile uint8_t *twin = aligned_alloc(PAGE, 2 * PAGE);
    CHECK(twin && kp_vmo_map(source.vmo, 0, (void *)twin, 2 * PAGE, 0) == KP_OK);
    bytes[0] = 1;
    CHECK(twin[0] == 1);
    int64_t clone = kp_vmo_clone(source.vmo, 0, 2 * PAGE);
    CHECK(clone > 0);
    uint8_t value = 2, seen = 0;
    CHECK(twin[0] == 1);
    CHECK(kp_vmo_write(source.vmo, 0, &value, 1) == KP_OK); /* by the kernel, not by a mapping */
    CHECK(twin[0] == 2 && bytes[0] == 2);
    bytes[0] = 3;
    CHECK(twin[0] == 3);
    CHECK(kp_vmo_read((kp_handle_t)clone, 0, &seen, 1) == KP_OK && seen == 1);
    CHECK(kp_random_get((void *)(bytes + PAGE), 64) == KP_OK); /* the kernel writes by a mapping */
    CHECK(memcmp((const void *)(bytes + PAGE), (const void *)(twin + PAGE), 64) == 0);
    CHECK(kp_vmo_unmap((void *)twin, 2 * PAGE) == KP_OK);
    CHECK(kp_handle_close((kp_handle_t)clone) == KP_OK);
    kp_vmo_buffer_destroy(&source);
    return 0;
}

static int test_vmo_changes(void)
{
    kp_vmo_buffer_t buffer;
    CHECK(kp_vmo_buffer_create(&buffer, 4 * PAGE) == KP_OK);
    volatile uint8_t *bytes = buffer.bytes;
    memset(buffer.bytes, 0x11, 4 * PAGE);
    /* Decommitted under a mapping: zeroes, which can be written again. */
    CHECK(kp_vmo_decommit(buffer.vmo, PAGE, 2 * PAGE) == KP_OK);
    CHECK(bytes[0] == 0x11 && bytes[PAGE] == 0 && bytes[3 * PAGE - 1] == 0 &&
          bytes[3 * PAGE] == 0x11);
    bytes[PAGE] = 9;
    uint8_t seen = 0;
    CHECK(kp_vmo_read(buffer.vmo, PAGE, &seen, 1) == KP_OK && seen == 9);
    /* Grown under a mapping; smaller only without. */
    CHECK(kp_vmo_resize(buffer.vmo, 64 * PAGE) == KP_OK && kp_vmo_size(buffer.vmo) == 64 * PAGE);
    CHECK(bytes[0] == 0x11);
    CHECK(kp_vmo_write(buffer.vmo, 63 * PAGE, &seen, 1) == KP_OK);
    CHECK(kp_vmo_resize(buffer.vmo, 2 * PAGE) == KP_ERR_BAD_STATE);
    CHECK(kp_vmo_seal(buffer.vmo, KP_VMO_SEAL_WRITE) == KP_ERR_BAD_STATE);
    CHECK(kp_vmo_unmap(buffer.bytes, buffer.size) == KP_OK);
    CHECK(kp_vmo_resize(buffer.vmo, 2 * PAGE) == KP_OK);
    CHECK(kp_vmo_resize(buffer.vmo, 64 * PAGE) == KP_OK);
    CHECK(kp_vmo_read(buffer.vmo, 63 * PAGE, &seen, 1) == KP_OK && seen == 0);
    CHECK(kp_vmo_seal(buffer.vmo, KP_VMO_SEAL_WRITE) == KP_OK);
    CHECK(kp_vmo_write(buffer.vmo, 0, &seen, 1) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_vmo_map(buffer.vmo, 0, buffer.bytes, PAGE, KP_VMO_MAP_WRITE) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_vmo_map(buffer.vmo, 0, buffer.bytes, PAGE, 0) == KP_OK && bytes[0] == 0x11);
    int64_t clone = kp_vmo_clone(buffer.vmo, 0, PAGE);
    CHECK(clone > 0 && kp_vmo_write((kp_handle_t)clone, 0, &seen, 1) == KP_OK);
    CHECK(bytes[0] == 0x11);
    kp_vmo_info_t info;
    CHECK(kp_vmo_info(buffer.vmo, &info) == KP_OK);
    CHECK(info.size == 64 * PAGE && info.mappings == 1 && info.seals == KP_VMO_SEAL_WRITE);
    CHECK(info.private_bytes + info.shared_bytes == 2 * PAGE);
    CHECK(kp_handle_close((kp_handle_t)clone) == KP_OK);
    kp_vmo_buffer_destroy(&buffer);
    return 0;
}

/* What a clone of 16 MiB with data costs, for the record. */
static int test_clone_cost(void)
{
    enum { MIB = 16 };
    int64_t vmo = kp_vmo_create(MIB << 20);
    CHECK(vmo > 0);
    for (uint64_t at = 0; at < MIB << 20; at += PAGE)
        CHECK(kp_vmo_write((kp_handle_t)vmo, at, &at, sizeof(at)) == KP_OK);
    kp_time_t start = kp_now();
    int64_t clone = kp_vmo_clone((kp_handle_t)vmo, 0, MIB << 20);
    kp_time_t end = kp_now();
    CHECK(clone > 0);
    kp_log("figure: clone of %d MiB: %lld ns", MIB, (long long)(end - start));
    CHECK(kp_handle_close((kp_handle_t)clone) == KP_OK);
    CHECK(kp_handle_close((kp_handle_t)vmo) == KP_OK);
    return 0;
}

static int test_vmo(void)
{
    int result = test_clones();
    if (result == 0)
        result = test_clone_mappings();
    if (result == 0)
        result = test_vmo_changes();
    return result ? result : test_clone_cost();
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "vmo") == 0)
        return test_vmo();
    if (strcmp(name, "spawn") == 0)
        return test_spawn();
    if (strcmp(name, "snapshot") == 0)
        return test_snapshot();
    if (strcmp(name, "kill") == 0)
        return test_kill();
    if (strcmp(name, "ring") == 0)
        return test_ring();
    if (strcmp(name, "scale") == 0)
        return test_scale();
    if (strcmp(name, "child") == 0 && argc > 2)
        return run_child(argv[2]);
    return __LINE__;
}
