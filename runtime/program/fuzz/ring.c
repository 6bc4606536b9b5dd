/* Each input is a story: what one side of a ring does, and what the other writes into the shared page
   meanwhile. Nothing may touch memory outside the ring, and nothing that comes back may be wrong in
   size. Operations of 4 bytes: what, place, value (16 bits). */
#include "runtime/program/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "abi/calls.h"

enum { CAPACITY = 4096, WORDS = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The hostile side acts in the middle of calls too. */
static uint32_t *shared;
static const uint8_t *script, *script_end;

static void meddle(void)
{
    if (script_end - script < 4)
        return;
    uint32_t value = (uint32_t)script[2] | (uint32_t)script[3] << 8;
    shared[script[1] % WORDS] = script[1] & 0x80 ? value << 16 : value;
    script += 4;
}

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    assert(number == KP_CALL_object_signal);
    meddle();
    return KP_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[2 * CAPACITY];
    kp_ring_t ring;
    void *span;
    shared = aligned_alloc(4096, KP_RING_VMO_SIZE(CAPACITY));
    memset(shared, 0, KP_RING_VMO_SIZE(CAPACITY));
    script = data;
    script_end = data + size;
    kp_status_t status = kp_ring_init(&ring, shared, KP_RING_VMO_SIZE(CAPACITY), CAPACITY,
                                      size > 0 && (data[0] & 0x80), 1);
    assert(status == KP_OK);
    bool was_broken = false;
    while (script_end - script >= 4) {
        uint8_t what = script[0] % 8;
        size_t count = ((size_t)script[2] | (size_t)script[3] << 8) % sizeof(bytes);
        int64_t result = KP_ERR_PROTOCOL;
        if (what < 4) {
            meddle();
            continue;
        }
        script += 4;
        if (what == 4)
            result = ring.is_writer ? kp_ring_write(&ring, bytes, count)
                                    : kp_ring_read(&ring, bytes, count);
        else if (what == 5)
            result = kp_ring_span(&ring, &span);
        else if (what == 6)
            kp_ring_advance(&ring, count);
        else
            kp_ring_end(&ring);
        assert(result <= (int64_t)(what == 4 ? sizeof(bytes) : CAPACITY));
        if (what == 5 && result > 0)
            memset(span, 1, (size_t)result);
        assert(!(was_broken && (what == 4 && count > 0)) || result == KP_ERR_PROTOCOL);
        was_broken = ring.is_broken;
    }
    free(shared);
    return 0;
}
