/* netstack: starts the stack over "dev:net0" and serves "svc:net" until the process is ended. */
#include "network/netstack/netstack.h"

#include <stdlib.h>

#include "runtime/program/startup.h"

int main(void)
{
    kp_handle_t device = kp_startup_take("dev:net0");
    kp_handle_t service = kp_startup_take("svc:net");
    if (device == KP_HANDLE_NONE || service == KP_HANDLE_NONE) {
        kp_log("no network device or no service was given");
        return 1;
    }
    kp_netstack_t *stack = calloc(1, sizeof(*stack));
    kp_status_t status = stack ? kp_netstack_init(stack, device, service) : KP_ERR_NO_MEMORY;
    while (status == KP_OK || status == KP_ERR_TIMED_OUT)
        status = kp_netstack_step(stack, KP_TIME_INFINITE);
    kp_log("cannot go on: %s", kp_status_text(status));
    return 1;
}
