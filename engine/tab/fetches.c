#include "engine/tab/tab.h"

#include "abi/http.h"

#include <stdlib.h>
#include <string.h>

static void on_channel(void *context, kp_handle_t handle, kp_signals_t observed);

void kp_tab_fetches_init(kp_tab_fetches_t *fetches, kp_loop_t *loop, kp_handle_t service)
{
    *fetches = (kp_tab_fetches_t){.loop = loop, .service = service};
}

static void watch(kp_tab_fetches_t *fetches)
{
    kp_signals_t signals = KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED;
    if (!kp_outbox_is_empty(&fetches->outbox))
        signals |= KP_SIGNAL_WRITABLE;
    if (kp_loop_watch(fetches->loop, fetches->channel, signals, on_channel, fetches) != KP_OK)
        kp_log("the http channel cannot be watched: out of memory");
}

static void ring_close(kp_tab_fetches_t *fetches)
{
    if (!fetches->has_ring)
        return;
    (void)kp_handle_close(fetches->ring_event); /* it is ours: cannot fail */
    kp_vmo_buffer_destroy(&fetches->ring_memory);
    fetches->has_ring = fetches->is_ring_used = false;
}

/* Lends the service a ring. Short of memory there is none. */
static void ring_open(kp_tab_fetches_t *fetches)
{
    size_t size = KP_RING_VMO_SIZE(KP_HTTP_RING_BYTES);
    int64_t event = kp_event_create();
    if (event < 0)
        return;
    fetches->ring_event = (kp_handle_t)event;
    if (kp_vmo_buffer_create(&fetches->ring_memory, size) != KP_OK ||
        kp_ring_init(&fetches->ring, fetches->ring_memory.bytes, size, KP_HTTP_RING_BYTES, false,
                     fetches->ring_event) != KP_OK) {
        (void)kp_handle_close(fetches->ring_event);
        return;
    }
    fetches->has_ring = true;
    int64_t shared[2] = {kp_vmo_buffer_share(&fetches->ring_memory, KP_VMO_SHARE_WRITE),
                         kp_handle_duplicate(fetches->ring_event,
                                             KP_RIGHT_SIGNAL | KP_RIGHT_WAIT | KP_RIGHT_TRANSFER)};
    const kp_handle_t handles[2] = {(kp_handle_t)shared[0], (kp_handle_t)shared[1]};
    if (shared[0] >= 0 && shared[1] >= 0) {
        kp_message_header_t ring = {KP_HTTP_RING, 0};
        kp_message_part_t part = {&ring, sizeof ring};
        if (kp_outbox_send(&fetches->outbox, &part, 1, handles, 2) == KP_OK)
            return; /* it takes the handles in any case */
    } else {
        for (int i = 0; i < 2; i++)
            if (shared[i] >= 0)
                (void)kp_handle_close(handles[i]);
    }
    ring_close(fetches);
}

/* Nothing is under way: the ring's bytes need no memory until the next body. */
static void ring_rest(kp_tab_fetches_t *fetches)
{
    if (fetches->is_ring_used)
        (void)kp_vmo_decommit(fetches->ring_memory.vmo, KP_PAGE_SIZE, KP_HTTP_RING_BYTES);
    fetches->is_ring_used = false;
}

static void disconnect(kp_tab_fetches_t *fetches)
{
    ring_close(fetches);
    kp_loop_unwatch(fetches->loop, fetches->channel);
    kp_outbox_clear(&fetches->outbox);
    kp_handle_close(fetches->channel);
    fetches->channel = KP_HANDLE_NONE;
}

static kp_status_t connect(kp_tab_fetches_t *fetches)
{
    if (fetches->channel != KP_HANDLE_NONE)
        return KP_OK;
    if (fetches->service == KP_HANDLE_NONE)
        return KP_ERR_UNREACHABLE;
    int64_t channel = kp_service_connect(fetches->service);
    if (channel < 0)
        return (kp_status_t)channel;
    fetches->channel = (kp_handle_t)channel;
    kp_outbox_init(&fetches->outbox, fetches->channel);
    ring_open(fetches);
    watch(fetches);
    return KP_OK;
}

static bool take_running(kp_tab_fetches_t *fetches, uint32_t fetch_id)
{
    for (size_t i = 0; i < fetches->running_count; i++) {
        if (fetches->running[i] == fetch_id) {
            fetches->running[i] = fetches->running[--fetches->running_count];
            return true;
        }
    }
    return false;
}

static bool is_running(const kp_tab_fetches_t *fetches, uint32_t fetch_id)
{
    for (size_t i = 0; i < fetches->running_count; i++)
        if (fetches->running[i] == fetch_id)
            return true;
    return false;
}

kp_status_t kp_tab_fetches_start(kp_tab_fetches_t *fetches, uint32_t fetch_id, uint32_t destination,
                                 const char *url)
{
    size_t url_size = strlen(url);
    if (url_size > KP_HTTP_URL_MAX)
        return KP_ERR_TOO_LARGE;
    if (strncmp(url, "http://", 7) != 0)
        return KP_ERR_UNSUPPORTED_SCHEME;
    if (fetches->running_count == fetches->running_capacity) {
        size_t capacity = fetches->running_capacity ? 2 * fetches->running_capacity : 16;
        uint32_t *grown = realloc(fetches->running, capacity * sizeof *grown);
        if (!grown)
            return KP_ERR_NO_MEMORY;
        fetches->running = grown;
        fetches->running_capacity = capacity;
    }
    kp_status_t status = connect(fetches);
    if (status != KP_OK)
        return status;
    kp_http_request_t request = {
        .header = {KP_HTTP_REQUEST, fetch_id},
        .destination = destination,
        .method_size = 3,
        .url_size = (uint32_t)url_size,
    };
    kp_message_part_t parts[] = {{&request, sizeof request}, {"GET", 3}, {url, url_size}};
    status = kp_outbox_send(&fetches->outbox, parts, 3, NULL, 0);
    if (status != KP_OK)
        return status;
    watch(fetches);
    fetches->running[fetches->running_count++] = fetch_id;
    if (destination == KP_HTTP_FOR_DOCUMENT) {
        fetches->document_id = fetch_id;
        fetches->document_bytes = 0;
    }
    return KP_OK;
}

void kp_tab_fetches_cancel(kp_tab_fetches_t *fetches, uint32_t fetch_id)
{
    if (!take_running(fetches, fetch_id) || fetches->channel == KP_HANDLE_NONE)
        return;
    kp_message_header_t cancel = {KP_HTTP_CANCEL, fetch_id};
    kp_message_part_t part = {&cancel, sizeof cancel};
    /* When the message is lost the service's answers are dropped here. */
    if (kp_outbox_send(&fetches->outbox, &part, 1, NULL, 0) == KP_OK)
        watch(fetches);
}

/* The service is gone or talks nonsense: every running fetch fails; the next one connects anew. */
static void fail_all(kp_tab_fetches_t *fetches, kp_status_t status, const char *text)
{
    disconnect(fetches);
    /* A failure may start new fetches: take the old ones out first. */
    size_t count = fetches->running_count;
    while (count > 0 && fetches->running_count > 0) {
        uint32_t fetch_id = fetches->running[0];
        take_running(fetches, fetch_id);
        count--;
        kp_engine_fetch_end(fetches->engine, fetch_id, status, text);
    }
}

static kp_status_t on_response(kp_tab_fetches_t *fetches, uint32_t fetch_id)
{
    const kp_http_response_t *response = kp_message_as(&fetches->message, sizeof *response);
    if (!response)
        return KP_ERR_PROTOCOL;
    kp_reader_t reader = kp_message_tail(&fetches->message, sizeof *response);
    char *url = kp_tab_take_string(&reader, response->url_size);
    const uint8_t *headers = kp_reader_borrow(&reader, response->headers_size);
    if (reader.failed || !url) {
        free(url);
        return reader.failed ? KP_ERR_PROTOCOL : KP_ERR_NO_MEMORY;
    }
    kp_engine_fetch_response(fetches->engine, fetch_id, response->http_status, url,
                             (const char *)headers, response->headers_size);
    free(url);
    return KP_OK;
}

static kp_status_t on_end(kp_tab_fetches_t *fetches, uint32_t fetch_id)
{
    const kp_http_end_t *end = kp_message_as(&fetches->message, sizeof *end);
    if (!end)
        return KP_ERR_PROTOCOL;
    kp_reader_t reader = kp_message_tail(&fetches->message, sizeof *end);
    char *text = kp_tab_take_string(&reader, end->text_size);
    if (reader.failed) {
        free(text);
        return KP_ERR_PROTOCOL;
    }
    take_running(fetches, fetch_id);
    kp_engine_fetch_end(fetches->engine, fetch_id, end->status, text ? text : "");
    free(text);
    if (fetches->running_count == 0)
        ring_rest(fetches);
    return KP_OK;
}

static void on_bytes(kp_tab_fetches_t *fetches, uint32_t fetch_id, const uint8_t *bytes,
                     size_t size)
{
    if (!is_running(fetches, fetch_id))
        return; /* cancelled */
    if (fetch_id == fetches->document_id)
        fetches->document_bytes += size;
    kp_engine_fetch_data(fetches->engine, fetch_id, bytes, size);
}

/* Copies out of the ring, whose bytes the service may still change, into the message's room. */
static kp_status_t on_ring_data(kp_tab_fetches_t *fetches, uint32_t fetch_id)
{
    const kp_http_ring_data_t *data = kp_message_as(&fetches->message, sizeof *data);
    if (!data || !fetches->has_ring || data->size == 0 || data->size > KP_HTTP_RING_BYTES)
        return KP_ERR_PROTOCOL;
    fetches->is_ring_used = true;
    for (size_t left = data->size; left > 0;) {
        uint8_t *bytes = fetches->message.bytes;
        size_t part = left < sizeof fetches->message.bytes ? left : sizeof fetches->message.bytes;
        int64_t count = kp_ring_read(&fetches->ring, bytes, part);
        if (count <= 0) /* less is there than was said */
            return KP_ERR_PROTOCOL;
        left -= (size_t)count;
        on_bytes(fetches, fetch_id, bytes, (size_t)count);
        if (!fetches->has_ring)
            return KP_OK; /* the engine's answer was to disconnect */
    }
    return KP_OK;
}

static kp_status_t on_message(kp_tab_fetches_t *fetches)
{
    kp_message_header_t head = kp_message_head(&fetches->message);
    if (head.ordinal == KP_HTTP_DATA_IN_RING)
        return on_ring_data(fetches, head.txid);
    if (!is_running(fetches, head.txid))
        return KP_OK; /* cancelled */
    switch (head.ordinal) {
    case KP_HTTP_RESPONSE:
        return on_response(fetches, head.txid);
    case KP_HTTP_DATA:
        on_bytes(fetches, head.txid, fetches->message.bytes + sizeof head,
                 fetches->message.size - sizeof head);
        return KP_OK;
    case KP_HTTP_END:
        return on_end(fetches, head.txid);
    default:
        return KP_ERR_PROTOCOL;
    }
}

static void on_channel(void *context, kp_handle_t handle, kp_signals_t observed)
{
    kp_tab_fetches_t *fetches = context;
    if (observed & KP_SIGNAL_WRITABLE && kp_outbox_flush(&fetches->outbox) == KP_OK)
        watch(fetches);
    /* One message a round, so that input and frames get their turn. */
    kp_status_t status = kp_message_receive(handle, &fetches->message);
    if (status == KP_OK)
        status = on_message(fetches);
    if (status == KP_OK || status == KP_ERR_SHOULD_WAIT)
        return;
    fail_all(fetches, status,
             status == KP_ERR_PEER_CLOSED ? "the HTTP service stopped; a reload starts over"
                                          : kp_status_text(status));
}
