/* The driver's side of a split queue against a device that writes anything anywhere into the shared
   page at any moment. Input: one byte of settings, then operations of 1..5 bytes. */
#include <stdlib.h>
#include <string.h>

#include "abi/reader.h"
#include "kernel/drivers/virtqueue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kp_reader_t reader = kp_reader_init(data, size);
    uint8_t settings = kp_reader_u8(&reader);
    uint16_t entries = (uint16_t)(2u << (settings & 7) % 7);
    uint8_t *page = aligned_alloc(KP_PAGE_SIZE, KP_PAGE_SIZE);
    kp_virtqueue_t *queue = malloc(sizeof *queue);
    kp_virtqueue_buffer_t buffers[KP_VIRTQUEUE_CHAIN_MAX];
    for (uint32_t i = 0; i < KP_VIRTQUEUE_CHAIN_MAX; i++)
        buffers[i] = (kp_virtqueue_buffer_t){.physical = i * 4096ull, .length = 64};
    memset(page, 0, KP_PAGE_SIZE);
    if (kp_virtqueue_init(queue, page, entries, 0, settings & 0x80) != KP_OK)
        abort();
    bool outstanding[256] = {false};
    uint32_t capacity[256] = {0}, count = 0;
    while (kp_reader_left(&reader) > 0) {
        uint8_t op = kp_reader_u8(&reader), x = kp_reader_u8(&reader);
        uint32_t token = 0, written = 0;
        switch (op % 6) {
        case 0: /* offer a chain with a token of its own */
            while (token < 256 && outstanding[token])
                token++;
            if (token < 256 &&
                kp_virtqueue_add(queue, buffers, x & 7, x >> 3 & 7, token) == KP_OK) {
                outstanding[token] = true;
                capacity[token] = (x >> 3 & 7) * 64u;
                count++;
            }
            break;
        case 1:
            kp_virtqueue_kick(queue);
            break;
        case 2: /* whatever the device says, only what we gave may come back, once, within bounds */
            if (kp_virtqueue_take(queue, &token, &written) == KP_OK) {
                if (token >= 256 || !outstanding[token] || written > capacity[token])
                    abort();
                outstanding[token] = false;
                count--;
            }
            break;
        case 3: /* the device writes a byte */
            page[(x << 8 | kp_reader_u8(&reader)) % KP_PAGE_SIZE] = kp_reader_u8(&reader);
            break;
        case 4: /* the device finishes an entry: id, length */
        {
            uint8_t *index = page + queue->used_offset + 2;
            uint16_t at = (uint16_t)(index[0] | index[1] << 8);
            uint8_t *entry = index + 2 + (size_t)8 * (at & (entries - 1u));
            memset(entry, 0, 8);
            entry[0] = x;
            entry[4] = kp_reader_u8(&reader);
            at++;
            index[0] = (uint8_t)at;
            index[1] = (uint8_t)(at >> 8);
            break;
        }
        default:
            (void)(x & 1 ? kp_virtqueue_arm(queue) : (kp_virtqueue_disarm(queue), false));
        }
        if (count != queue->outstanding || queue->free_count > entries)
            abort();
    }
    free(queue);
    free(page);
    return 0;
}
