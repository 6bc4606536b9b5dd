/* Program `tab`: one page. Owner: startup handle `control` (abi/tab.h). */
#include "engine/tab/tab.h"

#include <stdlib.h>
#include <string.h>

#define SIDE_MAX 32768u
#define SCALE_MIN 64u
#define SCALE_MAX 2048u

typedef struct kp_tab {
    kp_loop_t loop;
    kp_engine_t *engine;
    kp_handle_t control;
    kp_outbox_t outbox;
    kp_tab_fetches_t fetches;
    kp_tab_resources_t resources;
    kp_tab_frames_t frames;
    uint32_t load_id;
    /* The end of the load, told once the frame that shows it has gone out. */
    bool has_end;
    kp_tab_load_state_t end;
    char *end_url;
    char *end_text;
    kp_message_t message;
} kp_tab_t;

static kp_tab_t tab;

static void watch_control(void);

static void send_parts(const kp_message_part_t *parts, size_t count, kp_handle_t handle)
{
    size_t handles = handle != KP_HANDLE_NONE;
    kp_status_t status = kp_outbox_send(&tab.outbox, parts, count, &handle, handles);
    if (status != KP_OK && status != KP_ERR_PEER_CLOSED)
        kp_log("a message to the owner is lost: %s", kp_status_text(status));
    watch_control();
}

static void send_text(uint32_t ordinal, const char *text)
{
    size_t size = strlen(text);
    if (size > KP_CHANNEL_BYTES_MAX / 2)
        size = KP_CHANNEL_BYTES_MAX / 2;
    kp_tab_text_t head = {{ordinal, 0}, (uint32_t)size};
    kp_message_part_t parts[] = {{&head, sizeof head}, {text, size}};
    send_parts(parts, 2, KP_HANDLE_NONE);
}

/* ---- what the engine asks for ---- */

static kp_status_t on_fetch(void *context, uint32_t fetch_id, uint32_t destination, const char *url)
{
    (void)context;
    return kp_tab_fetches_start(&tab.fetches, fetch_id, destination, url);
}

static void on_fetch_cancel(void *context, uint32_t fetch_id)
{
    (void)context;
    kp_tab_fetches_cancel(&tab.fetches, fetch_id);
}

static kp_status_t on_resource_create(void *context, uint32_t id, uint32_t format, uint32_t width,
                                      uint32_t height, uint32_t stride, uint8_t **pixels)
{
    (void)context;
    return kp_tab_resources_create(&tab.resources, id, format, width, height, stride, pixels);
}

static void on_resource_destroy(void *context, uint32_t id)
{
    (void)context;
    kp_tab_resources_destroy(&tab.resources, id);
}

static size_t clipped(const char *text, size_t limit)
{
    size_t size = text ? strlen(text) : 0;
    return size < limit ? size : limit;
}

static void send_load_state(kp_tab_load_state_t *state, const char *url, const char *text)
{
    state->url_size = (uint32_t)clipped(url, 16384);
    state->text_size = (uint32_t)clipped(text, 4096);
    kp_message_part_t parts[] = {
        {state, sizeof *state}, {url, state->url_size}, {text, state->text_size}};
    send_parts(parts, 3, KP_HANDLE_NONE);
}

static void drop_end(void)
{
    free(tab.end_url);
    free(tab.end_text);
    tab.end_url = tab.end_text = NULL;
    tab.has_end = false;
}

static void on_settled(void *context)
{
    (void)context;
    if (!tab.has_end)
        return;
    send_load_state(&tab.end, tab.end_url, tab.end_text);
    drop_end();
}

static void on_load_state(void *context, uint32_t load_id, uint32_t state, kp_status_t status,
                          uint32_t http_status, const char *url, const char *text)
{
    (void)context;
    kp_tab_load_state_t message = {
        .header = {KP_TAB_LOAD_STATE, 0},
        .load_id = load_id,
        .state = state,
        .status = status,
        .http_status = http_status,
        .bytes_received = (uint32_t)tab.fetches.document_bytes,
    };
    if (state != KP_TAB_LOAD_DONE && state != KP_TAB_LOAD_FAILED) {
        send_load_state(&message, url, text);
        return;
    }
    drop_end();
    tab.has_end = true;
    tab.end = message;
    tab.end_url = url ? strdup(url) : NULL;
    tab.end_text = text ? strdup(text) : NULL;
    kp_tab_frames_want_now(&tab.frames);
}

static void on_title(void *context, const char *text)
{
    (void)context;
    send_text(KP_TAB_TITLE, text);
}

static void on_navigate_request(void *context, const char *url)
{
    (void)context;
    send_text(KP_TAB_NAVIGATE_REQUEST, url);
}

static void on_hover(void *context, const char *url)
{
    (void)context;
    send_text(KP_TAB_HOVER, url);
}

static void on_scroll_request(void *context, int32_t x, int32_t y)
{
    (void)context;
    kp_tab_scroll_t scroll = {{KP_TAB_SCROLL_REQUEST, 0}, x, y};
    kp_message_part_t part = {&scroll, sizeof scroll};
    send_parts(&part, 1, KP_HANDLE_NONE);
}

static void on_frame_wanted(void *context)
{
    (void)context;
    kp_tab_frames_want(&tab.frames);
}

static int64_t on_now(void *context)
{
    (void)context;
    return kp_now();
}

static const kp_engine_host_t host = {
    .fetch = on_fetch,
    .fetch_cancel = on_fetch_cancel,
    .resource_create = on_resource_create,
    .resource_destroy = on_resource_destroy,
    .load_state = on_load_state,
    .title = on_title,
    .navigate_request = on_navigate_request,
    .hover = on_hover,
    .scroll_request = on_scroll_request,
    .frame_wanted = on_frame_wanted,
    .now = on_now,
};

/* ---- what the owner asks for ---- */

char *kp_tab_take_string(kp_reader_t *reader, size_t size)
{
    const uint8_t *bytes = kp_reader_borrow(reader, size);
    char *text = bytes ? malloc(size + 1) : NULL;
    if (text) {
        memcpy(text, bytes, size);
        text[size] = 0;
    }
    return text;
}

static kp_status_t configure(const kp_message_t *message)
{
    const kp_tab_configure_t *wanted = kp_message_as(message, sizeof *wanted);
    if (!wanted || wanted->width == 0 || wanted->height == 0 || wanted->width > SIDE_MAX ||
        wanted->height > SIDE_MAX || wanted->scale < SCALE_MIN || wanted->scale > SCALE_MAX)
        return KP_ERR_PROTOCOL;
    kp_status_t status =
        kp_engine_configure(tab.engine, wanted->width, wanted->height, wanted->scale);
    if (status != KP_OK)
        return status;
    tab.frames.is_configured = true;
    tab.frames.is_owed = true;
    tab.frames.is_in_flight = false;
    kp_tab_resources_forget_announced(&tab.resources);
    kp_tab_frames_want(&tab.frames);
    return KP_OK;
}

static kp_status_t navigate(const kp_message_t *message)
{
    const kp_tab_navigate_t *wanted = kp_message_as(message, sizeof *wanted);
    if (!wanted)
        return KP_ERR_PROTOCOL;
    kp_reader_t reader = kp_message_tail(message, sizeof *wanted);
    char *url = kp_tab_take_string(&reader, wanted->url_size);
    if (!url)
        return reader.failed ? KP_ERR_PROTOCOL : KP_ERR_NO_MEMORY;
    drop_end();
    tab.load_id = wanted->load_id;
    tab.fetches.document_bytes = 0;
    kp_status_t status = kp_engine_navigate(tab.engine, wanted->load_id, url);
    if (status != KP_OK)
        on_load_state(NULL, wanted->load_id, KP_TAB_LOAD_FAILED, status, 0, url,
                      kp_status_text(status));
    free(url);
    return KP_OK;
}

static kp_status_t load_html(kp_message_t *message)
{
    const kp_tab_load_html_t *wanted = kp_message_as(message, sizeof *wanted);
    if (!wanted)
        return KP_ERR_PROTOCOL;
    kp_reader_t reader = kp_message_tail(message, sizeof *wanted);
    char *url = kp_tab_take_string(&reader, wanted->url_size);
    if (!url)
        return reader.failed ? KP_ERR_PROTOCOL : KP_ERR_NO_MEMORY;
    kp_vmo_buffer_t buffer = {0};
    const char *html = NULL;
    kp_status_t status = KP_OK;
    kp_handle_t vmo = kp_message_take(message, 0);
    if (vmo != KP_HANDLE_NONE) {
        status = kp_vmo_buffer_map(&buffer, vmo, wanted->html_size, false);
        if (status != KP_OK)
            kp_handle_close(vmo);
        html = buffer.bytes;
    } else {
        html = (const char *)kp_reader_borrow(&reader, wanted->html_size);
        status = html ? KP_OK : KP_ERR_PROTOCOL;
    }
    drop_end();
    tab.load_id = wanted->load_id;
    tab.fetches.document_bytes = wanted->html_size;
    if (status == KP_OK)
        status = kp_engine_load_html(tab.engine, wanted->load_id, url, html, wanted->html_size);
    if (status != KP_OK)
        on_load_state(NULL, wanted->load_id, KP_TAB_LOAD_FAILED, status, 0, url,
                      kp_status_text(status));
    kp_vmo_buffer_destroy(&buffer);
    free(url);
    return KP_OK;
}

static kp_status_t dump(const kp_message_t *message)
{
    const kp_tab_dump_t *wanted = kp_message_as(message, sizeof *wanted);
    if (!wanted)
        return KP_ERR_PROTOCOL;
    kp_tab_dumped_t reply = {.header = {KP_TAB_DUMPED, wanted->header.txid}};
    char *bytes = NULL;
    size_t size = 0;
    kp_handle_t vmo = KP_HANDLE_NONE;
    reply.status = kp_engine_dump(tab.engine, wanted->format, &bytes, &size);
    kp_vmo_buffer_t buffer = {0};
    if (reply.status == KP_OK)
        reply.status = kp_vmo_buffer_create(&buffer, size ? size : 1);
    if (reply.status == KP_OK) {
        if (size)
            memcpy(buffer.bytes, bytes, size);
        reply.size = (uint32_t)size;
        int64_t handle =
            kp_vmo_buffer_share(&buffer, KP_RIGHT_READ | KP_RIGHT_MAP | KP_RIGHT_TRANSFER);
        if (handle > 0)
            vmo = (kp_handle_t)handle;
        else
            reply.status = (kp_status_t)handle;
    }
    free(bytes);
    kp_vmo_buffer_destroy(&buffer);
    kp_message_part_t part = {&reply, sizeof reply};
    send_parts(&part, 1, vmo);
    return KP_OK;
}

static void pointer(const void *event)
{
    kp_engine_pointer(tab.engine, event);
}

static void key(const void *event)
{
    kp_engine_key(tab.engine, event);
}

static void scroll_to(const void *event)
{
    const kp_tab_scroll_t *scroll = event;
    kp_engine_scrolled(tab.engine, scroll->x, scroll->y);
}

static void frame_done(const void *event)
{
    const kp_tab_frame_done_t *done = event;
    kp_tab_frames_done(&tab.frames, done->sequence);
}

/* Messages of one size, without text and handles. */
static const struct {
    uint32_t ordinal, size;
    void (*take)(const void *event);
} events[] = {
    {KP_TAB_POINTER, sizeof(kp_tab_pointer_t), pointer},
    {KP_TAB_KEY, sizeof(kp_tab_key_t), key},
    {KP_TAB_SCROLL_TO, sizeof(kp_tab_scroll_t), scroll_to},
    {KP_TAB_FRAME_DONE, sizeof(kp_tab_frame_done_t), frame_done},
};

static kp_status_t on_event(const kp_message_t *message)
{
    uint32_t ordinal = kp_message_head(message).ordinal;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i].ordinal != ordinal)
            continue;
        const void *event = kp_message_as(message, events[i].size);
        if (event)
            events[i].take(event);
        return event ? KP_OK : KP_ERR_PROTOCOL;
    }
    return KP_ERR_PROTOCOL;
}

static kp_status_t on_owner_message(kp_message_t *message)
{
    switch (kp_message_head(message).ordinal) {
    case KP_TAB_CONFIGURE:
        return configure(message);
    case KP_TAB_NAVIGATE:
        return navigate(message);
    case KP_TAB_LOAD_HTML:
        return load_html(message);
    case KP_TAB_STOP:
        kp_engine_stop(tab.engine);
        return KP_OK;
    case KP_TAB_DUMP:
        return dump(message);
    default:
        return on_event(message);
    }
}

static void on_control(void *context, kp_handle_t handle, kp_signals_t observed)
{
    (void)context;
    if (observed & KP_SIGNAL_WRITABLE) {
        kp_status_t flushed = kp_outbox_flush(&tab.outbox);
        if (flushed != KP_OK && flushed != KP_ERR_SHOULD_WAIT)
            kp_outbox_clear(&tab.outbox);
        watch_control();
    }
    kp_status_t status = kp_message_receive(handle, &tab.message);
    if (status == KP_ERR_SHOULD_WAIT)
        return;
    if (status == KP_ERR_PEER_CLOSED)
        kp_process_exit(0);
    if (status == KP_OK) {
        uint32_t ordinal = kp_message_head(&tab.message).ordinal;
        status = on_owner_message(&tab.message);
        if (status != KP_OK)
            kp_log("message %u of the owner was refused: %s", ordinal, kp_status_text(status));
    }
    kp_message_clear(&tab.message);
}

static void watch_control(void)
{
    kp_signals_t signals = KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED;
    if (!kp_outbox_is_empty(&tab.outbox))
        signals |= KP_SIGNAL_WRITABLE;
    if (kp_loop_watch(&tab.loop, tab.control, signals, on_control, NULL) != KP_OK)
        kp_process_trap(KP_TRAP_ABORT, 0);
}

static void add_fonts(void)
{
    const char *name = NULL;
    for (size_t i = 0; (name = kp_startup_name(i)); i++) {
        if (strncmp(name, "file:fonts/", 11) != 0)
            continue;
        size_t size = 0;
        const void *bytes = kp_startup_file(name + 5, &size);
        kp_status_t status =
            bytes ? kp_engine_add_font(tab.engine, name + 11, bytes, size) : KP_ERR_NO_MEMORY;
        if (status != KP_OK)
            kp_log("font %s is not used: %s", name + 11, kp_status_text(status));
    }
}

/* What every tab has in common; nothing of it needs a handle but the fonts' files, which stay mapped. */
static kp_status_t start_engine(void)
{
    kp_status_t status = kp_engine_create(&host, &tab.engine);
    if (status == KP_OK)
        add_fonts();
    return status;
}

int main(void)
{
    kp_status_t status = start_engine();
    if (status != KP_OK) {
        kp_log("the engine did not start: %s", kp_status_text(status));
        return 1;
    }
    /* The coordinator makes a snapshot here, of which tabs are clones: they go on below. */
    const char *argument = kp_startup_argument(1);
    if (argument && strcmp(argument, "snapshot") == 0) {
        status = kp_startup_freeze();
        if (status != KP_OK) {
            kp_log("no snapshot: %s", kp_status_text(status));
            return 1;
        }
    }
    kp_loop_init(&tab.loop);
    tab.control = kp_startup_take("control");
    if (tab.control == KP_HANDLE_NONE) {
        kp_log("no control channel was given");
        return 1;
    }
    kp_outbox_init(&tab.outbox, tab.control);
    kp_tab_fetches_init(&tab.fetches, &tab.loop, kp_startup_take("svc:http"));
    kp_tab_frames_init(&tab.frames, &tab.loop, &tab.outbox, &tab.resources, &tab.load_id);
    tab.frames.settled = on_settled;
    tab.fetches.engine = tab.engine;
    tab.frames.engine = tab.engine;
    watch_control();
    kp_message_header_t ready = {KP_TAB_READY, 0};
    kp_message_part_t part = {&ready, sizeof ready};
    send_parts(&part, 1, KP_HANDLE_NONE);
    return kp_loop_run(&tab.loop);
}
