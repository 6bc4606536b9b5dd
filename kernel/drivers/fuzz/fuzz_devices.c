/* The net, input and rng drivers against a device that answers anything: any id, any length, any
   bytes in its buffers, at any time. What a driver gives out must fit what was asked. */
#include <stdlib.h>

#include "abi/reader.h"
#include "kernel/drivers/test/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const kp_pci_function_t function;

static void read_check(kp_device_t *device, size_t capacity)
{
    uint8_t *buffer = malloc(capacity ? capacity : 1); /* exact: ASan sees an overrun */
    int64_t result = device->ops->read ? device->ops->read(device, buffer, capacity) : 0;
    if (result > (int64_t)capacity)
        abort();
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static kp_status_t (*const starts[])(const kp_pci_function_t *, uint32_t) = {
        kp_virtio_net_start, kp_virtio_input_start, kp_virtio_rng_start};
    kp_reader_t reader = kp_reader_init(data, size);
    uint8_t settings = kp_reader_u8(&reader), frame[1514] = {0};
    fake_reset();
    fake.offered = settings & 0x80 ? ~0ull : ~KP_VIRTIO_F_EVENT_INDEX;
    for (uint32_t i = 0; i < 16; i++)
        fake.config[i] = kp_reader_u8(&reader);
    if (starts[(settings & 0x7f) % 3](&function, 0) != KP_OK)
        return 0;
    kp_device_t *device = fake.device;
    bool scribbled = false;
    while (kp_reader_left(&reader) > 0) {
        uint8_t op = kp_reader_u8(&reader), x = kp_reader_u8(&reader);
        uint32_t queue = x & 1;
        fake_chain_t chain;
        switch (op % 6) {
        case 0:
            read_check(device, (size_t)x * 8);
            break;
        case 1:
            if (device->ops->write)
                (void)device->ops->write(device, frame, (size_t)x * 6);
            break;
        case 2: /* an honest answer with dishonest bytes */
            if (!scribbled && fake_next(queue, &chain)) {
                uint32_t length = kp_reader_u16(&reader) % 2049;
                memset(frame, x, sizeof frame);
                fake_answer(queue, &chain, frame, KP_MIN(length, (uint32_t)sizeof frame));
            }
            break;
        case 3:
            fake_finish(queue, kp_reader_u8(&reader), kp_reader_u16(&reader));
            break;
        case 4:
            fake_interrupt(queue);
            break;
        default: /* a byte anywhere in the shared page; our device can no longer follow it then */
            scribbled = true;
            if (fake.queues[queue].queue)
                fake.queues[queue].queue->page[kp_reader_u16(&reader) % KP_PAGE_SIZE] = x;
            break;
        }
    }
    fake_reset();
    return 0;
}
