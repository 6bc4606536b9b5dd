/* The network device as lwIP's interface: frames in and out, DHCP, and ICMP's word on connection
   attempts, which lwIP itself does not pass on to TCP. */
#include "network/netstack/netstack.h"

#include <string.h>

#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <netif/ethernet.h>

#include "abi/reader.h"

/* Frames taken from the device before others get their turn. */
#define FRAMES_A_ROUND 64
#define SMALL_FRAME 128u
#define FRAME_MIN 60u /* without the checksum */

typedef struct kp_netstack_frame {
    struct kp_netstack_frame *next;
    size_t size;
    uint8_t bytes[];
} kp_netstack_frame_t;

static void on_device(void *context, kp_handle_t device, kp_signals_t observed);

static void watch_device(kp_netstack_t *stack)
{
    kp_signals_t signals = KP_SIGNAL_READABLE;
    if (stack->send_first)
        signals |= KP_SIGNAL_WRITABLE;
    /* Cannot fail: the device was watched first of all, and is never unwatched. */
    (void)kp_loop_watch(&stack->loop, stack->device, signals, on_device, stack);
}

/* lwIP's way out. A frame that does not fit the device waits in a short queue; one that does not
   fit the queue is lost, as on any wire. */
static err_t send_frame(struct netif *netif, struct pbuf *packet)
{
    kp_netstack_t *stack = netif->state;
    size_t size = packet->tot_len;
    if (size > KP_NETSTACK_FRAME_MAX)
        return ERR_BUF;
    pbuf_copy_partial(packet, stack->frame, (u16_t)size, 0);
    if (!stack->send_first) {
        int64_t sent = kp_device_write(stack->device, stack->frame, size);
        if (sent >= 0) {
            stack->frames_out++;
            return ERR_OK;
        }
        if (sent != KP_ERR_SHOULD_WAIT)
            return ERR_IF;
    }
    kp_netstack_frame_t *frame = NULL;
    if (stack->send_count < KP_NETSTACK_SEND_QUEUE_MAX)
        frame = kp_netstack_allocate(sizeof(*frame) + size);
    if (!frame) {
        stack->frames_dropped++;
        return ERR_MEM;
    }
    frame->next = NULL;
    frame->size = size;
    memcpy(frame->bytes, stack->frame, size);
    *stack->send_last = frame;
    stack->send_last = &frame->next;
    stack->send_count++;
    watch_device(stack);
    return ERR_OK;
}

static void send_queued(kp_netstack_t *stack)
{
    while (stack->send_first) {
        kp_netstack_frame_t *frame = stack->send_first;
        int64_t sent = kp_device_write(stack->device, frame->bytes, frame->size);
        if (sent == KP_ERR_SHOULD_WAIT)
            return;
        if (sent >= 0)
            stack->frames_out++;
        else
            stack->frames_dropped++;
        stack->send_first = frame->next;
        stack->send_count--;
        kp_netstack_free(frame);
    }
    stack->send_last = &stack->send_first;
    watch_device(stack);
}

static uint16_t read_be16(kp_reader_t *reader)
{
    uint16_t value = kp_reader_u16(reader);
    return (uint16_t)(value << 8 | value >> 8);
}

/* ICMP "destination unreachable" about one of our connection attempts: RFC 792, RFC 1122 4.2.3.9.
   It quotes the IP header and the first 8 bytes of TCP, sequence number included: who did not see
   our packet does not know it. */
static void look_at_icmp(kp_netstack_t *stack, const uint8_t *frame, size_t size)
{
    kp_reader_t reader = kp_reader_init(frame, size);
    kp_reader_borrow(&reader, 12);
    if (read_be16(&reader) != ETHTYPE_IP)
        return;
    uint8_t outer = kp_reader_u8(&reader);
    kp_reader_borrow(&reader, 8);
    uint8_t protocol = kp_reader_u8(&reader);
    kp_reader_borrow(&reader, 10);
    if (reader.failed || outer >> 4 != 4 || (outer & 15) < 5 || protocol != IP_PROTO_ICMP)
        return;
    kp_reader_borrow(&reader, (size_t)(outer & 15) * 4 - 20);
    uint8_t type = kp_reader_u8(&reader);
    uint8_t code = kp_reader_u8(&reader);
    kp_reader_borrow(&reader, 6);
    uint8_t inner = kp_reader_u8(&reader);
    kp_reader_borrow(&reader, 8);
    uint8_t inner_protocol = kp_reader_u8(&reader);
    kp_reader_borrow(&reader, 2);
    ip4_addr_t from = {.addr = kp_reader_u32(&reader)};
    ip4_addr_t to = {.addr = kp_reader_u32(&reader)};
    if (reader.failed || type != ICMP_DUR || (inner & 15) < 5 || inner_protocol != IP_PROTO_TCP)
        return;
    kp_reader_borrow(&reader, (size_t)(inner & 15) * 4 - 20);
    uint16_t local_port = read_be16(&reader);
    uint16_t remote_port = read_be16(&reader);
    uint32_t sequence = (uint32_t)read_be16(&reader) << 16;
    sequence |= read_be16(&reader);
    if (reader.failed || from.addr != netif_ip4_addr(&stack->netif)->addr)
        return;
    if (code == ICMP_DUR_FRAG)
        return; /* about packet size, not about the host */
    kp_netstack_connection_reject(stack, local_port, &to, remote_port, sequence,
                                  code == ICMP_DUR_PORT ? KP_ERR_CONNECTION_REFUSED
                                                        : KP_ERR_UNREACHABLE);
}

void kp_netstack_interface_input(kp_netstack_t *stack, const uint8_t *frame, size_t size)
{
    stack->frames_in++;
    if (size < SIZEOF_ETH_HDR || size > KP_NETSTACK_FRAME_MAX) {
        stack->frames_dropped++;
        return;
    }
    look_at_icmp(stack, frame, size);
    /* Small frames are answers and acknowledgements, which keep the others alive. */
    size_t limit = size <= SMALL_FRAME ? (KP_NETSTACK_BUDGET + KP_NETSTACK_RECEIVE_BUDGET) / 2
                                       : KP_NETSTACK_RECEIVE_BUDGET;
    if (kp_netstack_memory_used() + size > limit) {
        stack->frames_dropped++;
        kp_netstack_connection_relieve(stack, kp_now());
        return;
    }
    /* Virtual cards pass on frames below the wire's minimum; lwIP reads ARP's 28 bytes unseen, so
       they get the padding that the wire would have given them. (Found by fuzz/frames.c.) */
    size_t padded = size < FRAME_MIN ? FRAME_MIN : size;
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)padded, PBUF_RAM);
    if (!packet) {
        stack->frames_dropped++;
        return;
    }
    if (padded > size)
        memset(packet->payload, 0, padded);
    pbuf_take(packet, frame, (u16_t)size);
    if (stack->netif.input(packet, &stack->netif) != ERR_OK)
        pbuf_free(packet);
}

static void on_device(void *context, kp_handle_t device, kp_signals_t observed)
{
    kp_netstack_t *stack = context;
    if (observed & KP_SIGNAL_WRITABLE)
        send_queued(stack);
    if (!(observed & KP_SIGNAL_READABLE))
        return;
    /* A buffer of its own: lwIP answers from within input, through stack->frame. */
    static uint8_t frame[KP_NETSTACK_FRAME_MAX + 2];
    for (int i = 0; i < FRAMES_A_ROUND; i++) {
        int64_t size = kp_device_read(device, frame, sizeof(frame));
        if (size <= 0) {
            if (size != KP_ERR_SHOULD_WAIT)
                kp_log("reading the device failed (%s)", kp_status_name((kp_status_t)size));
            return;
        }
        kp_netstack_interface_input(stack, frame, (size_t)size);
    }
}

static void on_address(struct netif *netif)
{
    kp_netstack_t *stack = netif->state;
    bool is_bound = !ip4_addr_isany(netif_ip4_addr(netif));
    if (is_bound == stack->is_configured)
        return;
    stack->is_configured = is_bound;
    if (is_bound) {
        (void)kp_boot_mark_text("dhcp"); /* only the benchmark misses it */
        const ip4_addr_t *at = netif_ip4_addr(netif);
        kp_log("address %u.%u.%u.%u", ip4_addr1(at), ip4_addr2(at), ip4_addr3(at), ip4_addr4(at));
    } else {
        kp_log("the address is gone");
    }
}

static err_t interface_init(struct netif *netif)
{
    kp_netstack_t *stack = netif->state;
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->hostname = "kpio";
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    netif->mtu = stack->info.mtu < 576 || stack->info.mtu > 1500 ? 1500 : stack->info.mtu;
    netif->hwaddr_len = sizeof(stack->info.mac);
    memcpy(netif->hwaddr, stack->info.mac, sizeof(stack->info.mac));
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

kp_status_t kp_netstack_interface_init(kp_netstack_t *stack)
{
    stack->send_last = &stack->send_first;
    int64_t size = kp_device_control(stack->device, KP_DEVICE_OP_NET_INFO, NULL, 0, &stack->info,
                                     sizeof(stack->info));
    if (size != sizeof(stack->info))
        return size < 0 ? (kp_status_t)size : KP_ERR_PROTOCOL;
    kp_status_t status =
        kp_loop_watch(&stack->loop, stack->device, KP_SIGNAL_READABLE, on_device, stack);
    if (status != KP_OK)
        return status;
    lwip_init();
    if (!netif_add(&stack->netif, NULL, NULL, NULL, stack, interface_init, ethernet_input))
        return KP_ERR_NO_MEMORY;
    netif_set_default(&stack->netif);
    netif_set_status_callback(&stack->netif, on_address);
    /* A cable that is out at boot shows itself by DHCP's silence; its retries go on until there is
       an answer, so the state of the link needs no watching. */
    netif_set_link_up(&stack->netif);
    netif_set_up(&stack->netif);
    return dhcp_start(&stack->netif) == ERR_OK ? KP_OK : KP_ERR_NO_MEMORY;
}
