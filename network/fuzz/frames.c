/* Fuzz target: Ethernet frames into netstack while a connection is open. The input is records of
   a mode byte, a size (two bytes, little-endian) and that many bytes of a frame. Mode bit 0 sets
   the Ethernet head so that the frame is ours, bit 1 the IP addresses, bit 2 the ports of the open
   connection, bit 3 puts its next sequence number in; bit 4 lets half a second pass. Checksums are
   not checked (KP_NETSTACK_FUZZ), or hardly any input would get anywhere. */
#include <string.h>

#include "abi/reader.h"
#include "network/fuzz/stack.h"

#include <lwip/dhcp.h>
#include <lwip/etharp.h>

static void patch(uint8_t *frame, size_t size, uint8_t mode, const kp_netstack_connection_t *open)
{
    static const uint8_t head[14] = {0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x52,
                                     0x55, 10,   0, 2,    2,    8,    0};
    const struct tcp_pcb *pcb = open ? open->pcb : NULL;
    if (size >= 14 && mode & 1)
        memcpy(frame, head, frame[12] == 8 && frame[13] == 6 ? 12 : 14);
    if (size >= 34 && mode & 2) {
        memcpy(frame + 26, (const uint8_t[]){10, 0, 2, 2, 10, 0, 2, 15}, 8);
        frame[14] = (uint8_t)(frame[14] & 1) + 0x45;
        frame[16] = (uint8_t)((size - 14) >> 8);
        frame[17] = (uint8_t)(size - 14);
        frame[20] = frame[21] = 0;
    }
    if (size >= 42 && mode & 4 && pcb) {
        frame[23] = 6;
        frame[34] = (uint8_t)(pcb->remote_port >> 8);
        frame[35] = (uint8_t)pcb->remote_port;
        frame[36] = (uint8_t)(pcb->local_port >> 8);
        frame[37] = (uint8_t)pcb->local_port;
    }
    if (size >= 46 && mode & 8 && pcb) {
        for (int i = 0; i < 4; i++) {
            frame[38 + i] = (uint8_t)(pcb->rcv_nxt >> (24 - 8 * i));
            frame[42 + i] = (uint8_t)(pcb->snd_nxt >> (24 - 8 * i));
        }
    }
}

/* Asks for the lease anew, with an empty neighbour table. */
static void renew(void)
{
    dhcp_release_and_stop(&stack->netif);
    etharp_cleanup_netif(&stack->netif);
    if (dhcp_start(&stack->netif) != ERR_OK)
        abort();
    steps(5 * KP_NS_PER_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stack_start();
    kp_handle_t client = (kp_handle_t)kp_service_connect(service), socket = open_socket(client);
    if (socket == KP_HANDLE_NONE) {
        /* Earlier frames may rightly have changed the lease, the route or a neighbour's address. */
        renew();
        socket = open_socket(client);
    }
    if (socket == KP_HANDLE_NONE)
        abort(); /* what they may not do is to break the stack for those who come after */
    /* A name that is being asked for, so that DNS replies have somebody to go to. */
    kp_net_resolve_t resolve = {.header = {KP_NET_RESOLVE, 2}, .name_size = 11};
    kp_message_send_with(client, &resolve, sizeof(resolve), "silent.test", 11, NULL, 0);
    steps(KP_NS_PER_MS);

    kp_reader_t reader = kp_reader_init(data, size);
    while (kp_reader_left(&reader)) {
        uint8_t frame[1600], mode = kp_reader_u8(&reader);
        size_t count = kp_reader_u16(&reader);
        if (count > sizeof(frame) || count > kp_reader_left(&reader))
            count =
                kp_reader_left(&reader) < sizeof(frame) ? kp_reader_left(&reader) : sizeof(frame);
        const uint8_t *bytes = kp_reader_borrow(&reader, count);
        if (!bytes || !count)
            break;
        memcpy(frame, bytes, count);
        patch(frame, count, mode, stack->connections);
        kp_sim_device_deliver(frame, count);
        steps(mode & 16 ? KP_NS_PER_S / 2 : KP_NS_PER_MS);
    }
    steps(10 * KP_NS_PER_MS);
    kp_handle_close(socket);
    kp_handle_close(client);
    if (stack_settle() > 256 * 1024)
        abort(); /* a leak */
    return 0;
}
