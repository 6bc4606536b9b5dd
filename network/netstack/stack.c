/* The stack as a whole: start, and one round of its loop. */
#include "network/netstack/netstack.h"

#include <lwip/dhcp.h>

kp_status_t kp_netstack_init(kp_netstack_t *stack, kp_handle_t device, kp_handle_t service)
{
    *stack = (kp_netstack_t){.device = device};
    kp_loop_init(&stack->loop);
    /* Clients may connect and ask at once; their requests wait for the address. */
    kp_status_t status = kp_netstack_interface_init(stack);
    if (status == KP_OK)
        status = kp_netstack_service_init(stack, service);
    return status;
}

kp_status_t kp_netstack_step(kp_netstack_t *stack, kp_time_t deadline)
{
    kp_time_t times[] = {kp_netstack_timers_run(stack, kp_now()),
                         kp_netstack_service_deadline(stack),
                         kp_netstack_connections_deadline(stack)};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (times[i] < deadline)
            deadline = times[i];
    }
    /* The timers may have changed what is to be told. */
    kp_netstack_connections_run(stack, kp_now());
    kp_status_t status = kp_loop_step(&stack->loop, deadline);
    kp_time_t now = kp_now();
    kp_netstack_service_run(stack, now);
    kp_netstack_connections_run(stack, now);
    return status;
}

void kp_netstack_clear(kp_netstack_t *stack)
{
    kp_netstack_connections_clear(stack);
    kp_netstack_service_clear(stack);
    dhcp_release_and_stop(&stack->netif);
    dhcp_cleanup(&stack->netif);
    netif_remove(&stack->netif);
    kp_loop_clear(&stack->loop);
}
