/* Long bodies through the ring that a client has lent (abi/http.h). The ring refuses what a hostile client
   writes into it; what is refused costs that client its connection. */
#include "network/http/http.h"

static void on_room(void *context, kp_handle_t event, kp_signals_t observed)
{
    kp_http_client_t *client = context;
    (void)observed;
    client->is_ring_full = false;
    client->http->is_busy = true;
    /* The signal stands until the ring is full again. Changes an existing watch: cannot fail. */
    (void)kp_loop_watch(&client->http->loop, event, 0, on_room, client);
}

kp_status_t kp_http_bulk_accept(kp_http_client_t *client, kp_message_t *message)
{
    if (message->size != sizeof(kp_message_header_t) || message->handle_count != 2 ||
        client->has_ring)
        return KP_ERR_PROTOCOL;
    kp_handle_t vmo = kp_message_take(message, 0), event = kp_message_take(message, 1);
    size_t size = KP_RING_VMO_SIZE(KP_HTTP_RING_BYTES);
    kp_status_t status = kp_vmo_buffer_map(&client->ring_memory, vmo, size, true);
    if (status == KP_OK) {
        status = kp_ring_init(&client->ring, client->ring_memory.bytes, client->ring_memory.size,
                              KP_HTTP_RING_BYTES, true, event);
        if (status == KP_OK)
            status = kp_loop_watch(&client->http->loop, event, 0, on_room, client);
        if (status != KP_OK)
            kp_vmo_buffer_destroy(&client->ring_memory);
    } else {
        (void)kp_handle_close(vmo); /* it is ours: cannot fail */
    }
    if (status != KP_OK) {
        (void)kp_handle_close(event);
        return status == KP_ERR_NO_MEMORY || status == KP_ERR_QUOTA ? KP_OK : KP_ERR_PROTOCOL;
    }
    client->ring_event = event;
    client->has_ring = true;
    return KP_OK;
}

kp_status_t kp_http_bulk_announce(kp_http_client_t *client)
{
    if (client->unannounced == 0)
        return KP_OK;
    if (!client->is_writable)
        return KP_ERR_SHOULD_WAIT;
    kp_http_ring_data_t data = {.header = {KP_HTTP_DATA_IN_RING, client->unannounced_txid},
                                .size = client->unannounced};
    kp_status_t status =
        kp_http_client_sent(client, kp_message_send(client->channel, &data, sizeof(data)));
    if (status == KP_OK)
        client->unannounced = 0;
    return status;
}

kp_status_t kp_http_bulk_write(kp_http_client_t *client, uint32_t txid, const void *bytes,
                               size_t count, size_t *done)
{
    kp_status_t status = KP_OK;
    if (client->is_ring_full)
        return KP_ERR_SHOULD_WAIT;
    if (client->unannounced_txid != txid)
        status = kp_http_bulk_announce(client);
    if (status != KP_OK)
        return status;
    int64_t written = kp_ring_write(&client->ring, bytes, count);
    if (written == KP_ERR_SHOULD_WAIT) {
        client->is_ring_full = true;
        /* Changes an existing watch: cannot fail. */
        (void)kp_loop_watch(&client->http->loop, client->ring_event, KP_RING_SIGNAL_ROOM, on_room,
                            client);
    }
    if (written < 0)
        return (kp_status_t)written;
    *done = (size_t)written;
    client->unannounced += (uint32_t)written;
    client->unannounced_txid = txid;
    return KP_OK;
}

void kp_http_bulk_clear(kp_http_client_t *client)
{
    if (!client->has_ring)
        return;
    kp_loop_unwatch(&client->http->loop, client->ring_event);
    (void)kp_handle_close(client->ring_event);
    kp_vmo_buffer_destroy(&client->ring_memory);
    client->has_ring = false;
}
