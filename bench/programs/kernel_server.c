/* The other process of `make bench-kernel`: what it is asked to be, the first message on its control
   channel says. */
#include <string.h>

#include "runtime/program/call.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"

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

int main(void)
{
    static kp_message_t message;
    kp_handle_t control = kp_startup_take("control");
    if (!control || kp_message_send(control, "hello", 5) != KP_OK ||
        kp_message_receive_wait(control, &message, KP_TIME_INFINITE) != KP_OK)
        return 1;
    if (message.handle_count == 1)
        serve_calls(kp_message_take(&message, 0));
    else if (message.handle_count == 2)
        serve_events(kp_message_take(&message, 0), kp_message_take(&message, 1));
    return 0;
}
