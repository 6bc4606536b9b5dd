/* The other process of `make bench-kernel`: what it is asked to be, the first message on its control
   channel says. */
#include <string.h>

#include "runtime/program/call.h"
#include "runtime/program/message.h"
#include "runtime/program/ring.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"

/* Answers every request with as many of its bytes as the client wants: its first word says. */
static void serve_calls(kp_handle_t channel)
{
    static uint32_t bytes[KP_CHANNEL_BYTES_MAX / 4];
    kp_service_round_t round = {.bytes = bytes, .capacity = sizeof(bytes)};
    size_t wanted = 0;
    while (kp_serve(channel, &round, bytes, wanted, KP_TIME_INFINITE) == KP_OK)
        wanted = bytes[0] <= sizeof(bytes) ? bytes[0] : 0;
}

/* Signals back and forth on a channel's user bits, for switches without messages. */
static void serve_events(kp_handle_t ping, kp_handle_t pong)
{
    while (kp_object_wait_one(ping, KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, NULL) == KP_OK) {
        if (kp_object_signal(ping, KP_SIGNAL_SIGNALED, 0) != KP_OK ||
            kp_object_signal(pong, 0, KP_SIGNAL_SIGNALED) != KP_OK)
            return;
    }
}

/* Takes bulk data until the other side closes: in messages, or in a ring of which messages say how much. */
static void serve_bulk(kp_handle_t channel, kp_handle_t vmo, kp_handle_t event, bool is_ring)
{
    static kp_message_t message;
    static uint8_t bytes[KP_CHANNEL_BYTES_MAX];
    kp_vmo_buffer_t memory;
    kp_ring_t ring;
    if (kp_vmo_buffer_map(&memory, vmo, 0, true) != KP_OK ||
        kp_ring_init(&ring, memory.bytes, memory.size, memory.size - KP_PAGE_SIZE, false, event) !=
            KP_OK)
        return;
    while (kp_message_receive_wait(channel, &message, KP_TIME_INFINITE) == KP_OK) {
        uint32_t size;
        memcpy(&size, message.bytes, sizeof(size));
        for (uint32_t left = is_ring ? size : 0; left > 0;) {
            int64_t count = kp_ring_read(&ring, bytes, left < sizeof(bytes) ? left : sizeof(bytes));
            if (count <= 0)
                return;
            left -= (uint32_t)count;
        }
    }
}

int main(void)
{
    static kp_message_t message;
    kp_handle_t control = kp_startup_take("control");
    if (!control || kp_message_send(control, "hello", 5) != KP_OK ||
        kp_message_receive_wait(control, &message, KP_TIME_INFINITE) != KP_OK)
        return 1;
    if (message.handle_count == 1)
        serve_calls(kp_message_take(&message, 0));
    else if (message.handle_count == 3)
        serve_bulk(kp_message_take(&message, 0), kp_message_take(&message, 1),
                   kp_message_take(&message, 2), message.bytes[0] != 0);
    else if (message.handle_count == 2)
        serve_events(kp_message_take(&message, 0), kp_message_take(&message, 1));
    return 0;
}
