/* What disk.c needs from the system, natively: VMOs that are the test's memory, entropy, clocks. Who asks files answers
   itself. Included once by a test or fuzz target. */
#ifndef KP_SERVICES_COMPILER_TEST_DISK_HOST_H
#define KP_SERVICES_COMPILER_TEST_DISK_HOST_H

#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "services/compiler/disk.h"
#include "services/compiler/disk_private.h"

enum { HOST_VMOS = 64, HOST_VMO_FIRST = 100000 };

static struct {
    uint8_t *bytes;
    uint64_t size;
} host_vmos[HOST_VMOS];
static int host_vmo_count; /* open */
static bool host_memory_is_short;
static uint64_t host_now = 1000000000000000000u; /* ns since 1970 */
static uint64_t host_random = 1;

static inline kp_handle_t host_vmo(uint64_t size)
{
    for (unsigned i = 0; i < HOST_VMOS && !host_memory_is_short; i++) {
        if (host_vmos[i].bytes)
            continue;
        host_vmos[i].bytes = calloc(1, size ? size : 1);
        host_vmos[i].size = size;
        host_vmo_count++;
        return HOST_VMO_FIRST + i;
    }
    return KP_HANDLE_NONE;
}

static inline uint8_t *host_vmo_bytes(kp_handle_t vmo)
{
    return vmo >= HOST_VMO_FIRST && vmo < HOST_VMO_FIRST + HOST_VMOS
               ? host_vmos[vmo - HOST_VMO_FIRST].bytes
               : NULL;
}

static int64_t host_vmo_copy(kp_handle_t vmo, uint64_t offset, void *bytes, uint64_t count,
                             bool writes)
{
    uint8_t *at = host_vmo_bytes(vmo);
    if (!at)
        return KP_ERR_BAD_HANDLE;
    if (offset > host_vmos[vmo - HOST_VMO_FIRST].size ||
        count > host_vmos[vmo - HOST_VMO_FIRST].size - offset)
        return KP_ERR_OUT_OF_RANGE;
    if (writes && host_memory_is_short)
        return KP_ERR_NO_MEMORY;
    memcpy(writes ? at + offset : bytes, writes ? bytes : at + offset, count);
    return KP_OK;
}

static int64_t host_close(kp_handle_t handle)
{
    uint8_t *at = host_vmo_bytes(handle);
    if (!at)
        return KP_ERR_BAD_HANDLE;
    free(at);
    host_vmos[handle - HOST_VMO_FIRST].bytes = NULL;
    host_vmo_count--;
    return KP_OK;
}

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    (void)a4, (void)a5;
    switch (number) {
    case KP_CALL_vmo_create: {
        kp_handle_t vmo = host_vmo(a0);
        return vmo ? (int64_t)vmo : KP_ERR_NO_MEMORY;
    }
    case KP_CALL_vmo_read:
    case KP_CALL_vmo_write:
        return host_vmo_copy((kp_handle_t)a0, a1, (void *)(uintptr_t)a2, a3,
                             number == KP_CALL_vmo_write);
    case KP_CALL_handle_close:
        return host_close((kp_handle_t)a0);
    case KP_CALL_clock_get:
        memcpy((void *)(uintptr_t)a1, &host_now, sizeof(host_now));
        return KP_OK;
    case KP_CALL_random_get:
        for (uint64_t i = 0; i < a1; i++) {
            host_random = host_random * 6364136223846793005u + 1442695040888963407u;
            ((uint8_t *)(uintptr_t)a0)[i] = (uint8_t)(host_random >> 40);
        }
        return KP_OK;
    case KP_CALL_debug_log:
        return KP_OK;
    default:
        return KP_ERR_NOT_SUPPORTED;
    }
}

#endif
