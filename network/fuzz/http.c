/* Fuzz target: the service "http" between a hostile client and a hostile server. The input is a
   size (two bytes), that many bytes of a client's message, and the bytes that the server sends over
   every connection before it closes. When the message is empty an ordinary GET stands in for it. */
#include <stdlib.h>
#include <string.h>

#include "abi/net.h"
#include "abi/reader.h"
#include "network/http/http.h"
#include "network/test/sim.h"

static kp_http_t *http;
static kp_handle_t http_service, net_service, registry, net;
static kp_message_t message;
static const uint8_t *reply;
static size_t reply_size;

static void connect_reply(uint32_t txid)
{
    kp_handle_t ends[2];
    kp_channel_create(ends);
    kp_net_connected_t connected = {.header = {KP_NET_CONNECT, txid}};
    kp_message_send_with(net, &connected, sizeof(connected), NULL, 0, &ends[1], 1);
    kp_net_segment_t segment = {.kind = KP_NET_SEGMENT_DATA};
    for (size_t done = 0; done < reply_size;) {
        size_t count = reply_size - done < 1000 ? reply_size - done : 1000;
        kp_message_send_with(ends[0], &segment, sizeof(segment), reply + done, count, NULL, 0);
        done += count;
    }
    segment.kind = KP_NET_SEGMENT_FIN;
    kp_message_send(ends[0], &segment, sizeof(segment));
    kp_handle_close(ends[0]);
}

/* The service "net": every name is one address, and every address answers the same. */
static void on_idle(void *context, kp_time_t deadline)
{
    (void)context;
    if (net == KP_HANDLE_NONE && kp_message_receive(registry, &message) == KP_OK) {
        net = kp_message_take(&message, 0);
        return;
    }
    if (net == KP_HANDLE_NONE || kp_message_receive(net, &message) != KP_OK) {
        kp_sim.now = deadline;
        return;
    }
    kp_message_header_t head = kp_message_head(&message);
    if (head.ordinal == KP_NET_RESOLVE) {
        kp_net_resolved_t resolved = {.header = head, .count = 1};
        resolved.addresses[0].family = 4;
        kp_message_send(net, &resolved, sizeof(resolved));
    } else {
        connect_reply(head.txid);
    }
}

static void steps(int count)
{
    for (int i = 0; i < count; i++)
        kp_http_step(http, kp_sim.now + 10 * KP_NS_PER_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char get[] = "GEThttp://host.test/";
    if (!http) {
        kp_sim_reset();
        kp_sim.queue_messages = 256;
        kp_sim.idle = on_idle;
        http = calloc(1, sizeof(*http));
        http_service = kp_sim_service_create();
        net_service = kp_sim_service_create();
        registry = (kp_handle_t)kp_service_register(net_service);
        if (!http || kp_http_init(http, http_service, net_service) != KP_OK)
            abort();
    }
    kp_reader_t reader = kp_reader_init(data, size);
    size_t count = kp_reader_u16(&reader);
    if (count > kp_reader_left(&reader))
        count = kp_reader_left(&reader);
    const uint8_t *bytes = kp_reader_borrow(&reader, count);
    reply_size = kp_reader_left(&reader);
    reply = kp_reader_borrow(&reader, reply_size);
    kp_handle_t client = (kp_handle_t)kp_service_connect(http_service);
    if (count && bytes) {
        kp_message_send(client, bytes, count);
    } else {
        kp_http_request_t request = {.header = {KP_HTTP_REQUEST, 1},
                                     .destination = KP_HTTP_FOR_DOCUMENT,
                                     .method_size = 3,
                                     .url_size = sizeof(get) - 4};
        kp_message_send_with(client, &request, sizeof(request), get, sizeof(get) - 1, NULL, 0);
    }
    bool is_ended = false;
    for (int i = 0; i < 400 && !is_ended; i++) {
        steps(1);
        while (kp_message_receive(client, &message) == KP_OK)
            is_ended |= kp_message_head(&message).ordinal == KP_HTTP_END;
        kp_signals_t observed;
        is_ended |=
            kp_object_wait_one(client, KP_SIGNAL_PEER_CLOSED, KP_TIME_POLL, &observed) == KP_OK;
    }
    kp_handle_close(client);
    steps(5);
    if (http->client_count || http->exchange_count)
        abort();
    return 0;
}
