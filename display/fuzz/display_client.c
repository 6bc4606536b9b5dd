/* A hostile client of the display service: messages, VMOs and input in any order.
   Input: records of {kind, size, bytes}. kind 0: a message without handles; 1: with a VMO of the
   bytes of the last record of kind 2, and the message's own; 2: bytes for that; 3: input events; 4:
   a new connection; 5: the client reads everything; 6: the client goes. */
#include <stdlib.h>
#include <string.h>

#include "abi/reader.h"
#include "display/display.h"
#include "display/test/fake_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kp_display_t display;

static void run(void)
{
    for (int i = 0; i < 6; i++)
        (void)kp_loop_step(&display.loop, KP_TIME_POLL);
}

static void read_all(kp_handle_t client)
{
    uint8_t bytes[256];
    kp_handle_t handle;
    while (fake_receive(client, bytes, sizeof bytes, &handle)) {
        if (handle != KP_HANDLE_NONE)
            fake_close(handle);
    }
}

static kp_handle_t record(kp_handle_t client, uint32_t kind, const uint8_t *bytes, size_t size,
                          kp_reader_t *vmo_bytes)
{
    kp_handle_t handles[3];
    switch (kind) {
    case 0:
        fake_send(client, bytes, size, NULL, 0);
        break;
    case 1:
        for (int i = 0; i < 3; i++)
            handles[i] = fake_vmo(vmo_bytes->bytes, vmo_bytes->size);
        fake_send(client, bytes, size, handles, 3);
        break;
    case 2:
        *vmo_bytes = kp_reader_init(bytes, size);
        break;
    case 3:
        for (size_t at = 0; at + sizeof(kp_input_event_t) <= size && at < 1024;
             at += sizeof(kp_input_event_t)) {
            kp_input_event_t event;
            memcpy(&event, bytes + at, sizeof event);
            fake_input(&event, 1);
        }
        break;
    case 4:
        return fake_connect();
    case 5:
        read_all(client);
        break;
    default:
        read_all(client);
        fake_close(client);
        run();
        return fake_connect();
    }
    return client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kp_reader_t reader = kp_reader_init(data, size), vmo_bytes = kp_reader_init("", 0);
    fake_reset();
    fake_screen.has_cursor = size % 2 != 0;
    fake_screen.queue_limit = 8;
    memset(&display, 0, sizeof display);
    if (kp_display_open(&display) != KP_OK)
        abort();
    kp_handle_t client = fake_connect();
    for (int i = 0; i < 64 && kp_reader_left(&reader); i++) {
        uint32_t kind = kp_reader_u8(&reader) % 7, count = kp_reader_u16(&reader);
        if (count > kp_reader_left(&reader))
            count = (uint32_t)kp_reader_left(&reader);
        const uint8_t *bytes = kp_reader_borrow(&reader, count);
        if (bytes)
            client = record(client, kind, bytes, count, &vmo_bytes);
        run();
    }
    while (display.clients)
        kp_client_destroy(display.clients);
    kp_painter_clear(&display.compositor.painter);
    kp_vmo_buffer_destroy(&display.screen.pixels);
    kp_loop_clear(&display.loop);
    fake_reset();
    return 0;
}
