/* When lwIP's periodic functions are called. Each runs only while there is something for it to do:
   an idle stack sleeps until its lease needs a renewal, without ticks. */
#include "network/netstack/netstack.h"

#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/dhcp.h>

#define MS(n) ((n) * KP_NS_PER_MS)

/* One periodic function. next is 0 while it rests. */
static void run_periodic(kp_time_t *next, kp_time_t now, kp_time_t interval, bool is_needed,
                         void (*function)(void))
{
    if (!is_needed) {
        *next = 0;
        return;
    }
    if (*next == 0) {
        *next = now + interval;
        return;
    }
    if (now < *next)
        return;
    function();
    /* A late call is one call: after a long suspension lwIP must not age by hours at once. */
    *next = *next + interval > now ? *next + interval : now + interval;
}

static bool is_dhcp_asking(kp_netstack_t *stack)
{
    const struct dhcp *dhcp = netif_dhcp_data(&stack->netif);
    return dhcp && dhcp->state != DHCP_STATE_BOUND && dhcp->state != DHCP_STATE_OFF;
}

/* ARP entries age by calls. While nothing is sent nobody needs them, so the calls that were left
   out are made up for when traffic begins again; entries live five minutes (ARP_MAXAGE). */
static void run_arp(kp_netstack_t *stack, kp_time_t now, bool is_busy)
{
    if (stack->arp_next == 0)
        stack->arp_next = now + MS(ARP_TMR_INTERVAL);
    int calls = 0;
    while (is_busy && now >= stack->arp_next && calls++ < ARP_MAXAGE) {
        etharp_tmr();
        stack->arp_next += MS(ARP_TMR_INTERVAL);
    }
    if (calls > ARP_MAXAGE)
        stack->arp_next = now + MS(ARP_TMR_INTERVAL);
}

static void earlier(kp_time_t *deadline, kp_time_t next)
{
    if (next && next < *deadline)
        *deadline = next;
}

kp_time_t kp_netstack_timers_run(kp_netstack_t *stack, kp_time_t now)
{
    bool is_asking = is_dhcp_asking(stack);
    bool is_tcp = tcp_active_pcbs || tcp_tw_pcbs;
    bool is_dns = kp_netstack_names_pending(stack) != 0;
    bool is_busy = is_tcp || is_dns || is_asking;
    run_arp(stack, now, is_busy);
    run_periodic(&stack->tcp_next, now, MS(TCP_TMR_INTERVAL), is_tcp, tcp_tmr);
    run_periodic(&stack->dns_next, now, MS(DNS_TMR_INTERVAL), is_dns, dns_tmr);
    run_periodic(&stack->dhcp_next, now, MS(DHCP_FINE_TIMER_MSECS), is_asking, dhcp_fine_tmr);
    run_periodic(&stack->lease_next, now, MS(DHCP_COARSE_TIMER_MSECS),
                 netif_dhcp_data(&stack->netif) != NULL, dhcp_coarse_tmr);

    kp_time_t deadline = KP_TIME_INFINITE;
    earlier(&deadline, stack->tcp_next);
    earlier(&deadline, stack->dns_next);
    earlier(&deadline, stack->dhcp_next);
    earlier(&deadline, stack->lease_next);
    if (is_busy)
        earlier(&deadline, stack->arp_next);
    return deadline;
}
