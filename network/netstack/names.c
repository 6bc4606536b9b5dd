/* RESOLVE: host names through lwIP's resolver, which caches by time to live. */
#include "network/netstack/netstack.h"

#include <string.h>

#include <lwip/dns.h>

/* After this long without an answer the name servers have not been heard at all (lwIP asks anew
   after 1, 1, 2 and 3 seconds); an answer that says "no such name" comes at once. */
#define SILENCE (4 * KP_NS_PER_S)

bool kp_netstack_name_is_valid(const char *name, size_t size)
{
    size_t label = 0;
    if (size == 0 || size > KP_NET_NAME_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        char at = name[i];
        if (at == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        bool is_letter = (at >= 'a' && at <= 'z') || (at >= 'A' && at <= 'Z');
        bool is_other = (at >= '0' && at <= '9') || at == '-' || at == '_';
        if ((!is_letter && !is_other) || ++label > 63)
            return false;
    }
    return true;
}

static void answer(kp_netstack_request_t *request, kp_status_t status, const ip_addr_t *address)
{
    kp_net_resolved_t reply = {.header = {KP_NET_RESOLVE, request->txid}, .status = status};
    if (status == KP_OK) {
        reply.count = 1;
        reply.addresses[0].family = 4;
        memcpy(reply.addresses[0].bytes, &ip_2_ip4(address)->addr, 4);
    }
    if (request->client)
        kp_netstack_reply(request->client, &reply, sizeof(reply), KP_HANDLE_NONE);
    kp_netstack_request_finish(request);
}

static void on_found(const char *name, const ip_addr_t *address, void *context)
{
    (void)name;
    kp_netstack_request_t *request = context;
    request->is_with_resolver = false;
    if (address)
        answer(request, KP_OK, address);
    else if (kp_now() - request->started >= SILENCE)
        answer(request, KP_ERR_TIMED_OUT, NULL);
    else
        answer(request, KP_ERR_NAME_NOT_RESOLVED, NULL);
}

void kp_netstack_name_resolve(kp_netstack_request_t *request)
{
    ip_addr_t address;
    request->started = kp_now();
    err_t error = dns_gethostbyname(request->name, &address, on_found, request);
    switch (error) {
    case ERR_OK: /* a literal address, or in the cache */
        answer(request, KP_OK, &address);
        return;
    case ERR_INPROGRESS:
        request->is_with_resolver = true;
        return;
    case ERR_MEM:
        answer(request, KP_ERR_NO_MEMORY, NULL);
        return;
    case ERR_VAL: /* no name server is known */
        answer(request, KP_ERR_UNREACHABLE, NULL);
        return;
    default:
        answer(request, KP_ERR_NAME_NOT_RESOLVED, NULL);
        return;
    }
}

uint32_t kp_netstack_names_pending(const kp_netstack_t *stack)
{
    uint32_t count = 0;
    for (const kp_netstack_request_t *at = stack->requests; at; at = at->next)
        count += at->is_with_resolver;
    return count;
}
