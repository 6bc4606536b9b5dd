/* A page whose script never ends: says that it is there, then computes for ever. */
#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"

int main(void)
{
    kp_handle_t control = kp_startup_take("control");
    if (!control || kp_message_send(control, "hello", 5) != KP_OK)
        return 1;
    for (volatile uint32_t turns = 0;; turns++)
        ;
}
