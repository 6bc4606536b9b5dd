#include "tools/kpio/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/display.h"
#include "abi/tab.h"

enum {
    INLINE_HTML_MAX = 60 * 1024,
    REDIRECTS_MAX = 20,
    SCROLL_BAR_WIDTH = 15, /* classic, as the shell's */
    DUMP_MAX = 256 << 20,
    VMO_RIGHTS = KP_RIGHT_READ | KP_RIGHT_MAP | KP_RIGHT_TRANSFER | KP_RIGHT_DUPLICATE,
};

/* Records the first cause. */
static kp_status_t fail(kp_session_t *session, kp_status_t status, const char *text)
{
    if (session->text[0] == '\0')
        snprintf(session->text, sizeof session->text, "%s", text);
    if (session->status == KP_OK)
        session->status = status;
    return status;
}

static kp_status_t crash(kp_session_t *session, const char *who)
{
    char text[128];
    session->crashed = true;
    snprintf(text, sizeof text, "%s crashed", who);
    return fail(session, KP_ERR_PROCESS_DEAD, text);
}

/* Sends to the tab or the display; waits while its queue is full. Capabilities are taken on
   success. */
static kp_status_t send(kp_session_t *session, kp_capability_t end, const void *bytes, size_t size,
                        kp_capability_t *capabilities, size_t count)
{
    for (;;) {
        kp_status_t status = kp_channel_send(end, bytes, size, capabilities, count);
        if (status == KP_ERR_PEER_CLOSED)
            return crash(session, end.object == session->tab.object ? "the page's process"
                                                                    : "the display service");
        if (status != KP_ERR_SHOULD_WAIT)
            return status == KP_OK ? KP_OK : fail(session, status, kp_status_text(status));
        status = kp_wait_one(end.object, KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED,
                             session->deadline, NULL);
        if (status != KP_OK)
            return fail(session, status, "time limit: the system does not answer");
    }
}

/* A VMO with these bytes, as a capability to give away. */
static kp_status_t vmo_with(const uint8_t *bytes, size_t size, kp_capability_t *capability)
{
    kp_vmo_t *vmo = NULL;
    kp_status_t status = kp_vmo_create(size ? size : 1, NULL, &vmo);
    if (status != KP_OK)
        return status;
    status = size ? kp_vmo_write(vmo, 0, bytes, size) : KP_OK;
    if (status == KP_OK)
        *capability = kp_capability_create(&vmo->object, VMO_RIGHTS);
    kp_object_release(&vmo->object);
    return status;
}

static kp_status_t send_html(kp_session_t *session)
{
    const kp_target_t *target = session->target;
    size_t url_size = strlen(target->url), inline_size = 0;
    kp_capability_t vmo = {0};
    if (target->file_size + url_size <= INLINE_HTML_MAX) {
        inline_size = target->file_size;
    } else {
        kp_status_t status = vmo_with(target->file, target->file_size, &vmo);
        if (status != KP_OK)
            return fail(session, status, kp_status_text(status));
    }
    uint8_t *message = malloc(sizeof(kp_tab_load_html_t) + url_size + inline_size);
    if (!message) {
        kp_capability_close(&vmo);
        return fail(session, KP_ERR_NO_MEMORY, "out of memory");
    }
    kp_tab_load_html_t head = {.header = {KP_TAB_LOAD_HTML, 0},
                               .load_id = session->load_id,
                               .url_size = (uint32_t)url_size,
                               .html_size = (uint32_t)target->file_size};
    memcpy(message, &head, sizeof head);
    memcpy(message + sizeof head, target->url, url_size);
    if (inline_size)
        memcpy(message + sizeof head + url_size, target->file, inline_size);
    kp_status_t status = send(session, session->tab, message, sizeof head + url_size + inline_size,
                              &vmo, vmo.object ? 1 : 0);
    if (status != KP_OK)
        kp_capability_close(&vmo);
    free(message);
    return status;
}

static kp_status_t send_navigate(kp_session_t *session, const char *url, size_t url_size)
{
    uint8_t message[sizeof(kp_tab_navigate_t) + sizeof session->url];
    session->load_id++;
    session->loaded = session->committed = session->framed = false;
    session->status = KP_OK;
    session->text[0] = '\0';
    session->http_status = 0;
    if (url_size >= sizeof session->url)
        return fail(session, KP_ERR_TOO_LARGE, "the URL is too long");
    kp_tab_navigate_t head = {.header = {KP_TAB_NAVIGATE, 0},
                              .load_id = session->load_id,
                              .url_size = (uint32_t)url_size};
    memcpy(message, &head, sizeof head);
    memcpy(message + sizeof head, url, url_size);
    return send(session, session->tab, message, sizeof head + url_size, NULL, 0);
}

/* ---- what the tab says ---- */

static void on_load_state(kp_session_t *session, const kp_message_t *message)
{
    kp_tab_load_state_t state;
    if (message->byte_count < sizeof state)
        return;
    memcpy(&state, message->bytes, sizeof state);
    size_t left = message->byte_count - sizeof state;
    if (state.load_id != session->load_id || state.url_size > left ||
        state.text_size > left - state.url_size)
        return;
    const char *url = (const char *)message->bytes + sizeof state;
    if (state.url_size > 0 && state.url_size < sizeof session->url) {
        memcpy(session->url, url, state.url_size);
        session->url[state.url_size] = '\0';
    }
    session->http_status = state.http_status;
    session->bytes_received = state.bytes_received;
    session->committed = session->committed || state.state == KP_TAB_LOAD_COMMITTED;
    session->loaded =
        session->loaded || state.state == KP_TAB_LOAD_DONE || state.state == KP_TAB_LOAD_FAILED;
    if (state.state == KP_TAB_LOAD_FAILED) {
        char text[sizeof session->text];
        kp_status_t status = state.status < 0 ? state.status : KP_ERR_IO;
        size_t size = state.text_size < sizeof text ? state.text_size : sizeof text - 1;
        memcpy(text, url + state.url_size, size);
        text[size] = '\0';
        text[strcspn(text, "\r\n")] = '\0'; /* one line, whatever the tab says */
        fail(session, status, text[0] ? text : kp_status_text(status));
    }
}

/* Passes a frame on to the display, with its resources. */
static kp_status_t on_frame(kp_session_t *session, kp_message_t *message)
{
    kp_tab_frame_t frame;
    if (message->byte_count < sizeof frame)
        return KP_OK;
    memcpy(&frame, message->bytes, sizeof frame);
    session->page_width = frame.page_width;
    session->page_height = frame.page_height;
    session->frame_load_id = frame.load_id;
    if (!session->paints) {
        session->framed = session->framed || frame.load_id == session->load_id;
        kp_tab_frame_done_t done = {{KP_TAB_FRAME_DONE, 0}, frame.sequence};
        return send(session, session->tab, &done, sizeof done, NULL, 0);
    }
    kp_display_present_t present = {.header = {KP_DISPLAY_SURFACE_PRESENT, 1},
                                    .surface = session->surface,
                                    .sequence = frame.sequence,
                                    .list_size = frame.list_size,
                                    .background = frame.background,
                                    .page_width = frame.page_width,
                                    .page_height = frame.page_height};
    kp_status_t status = send(session, session->display, &present, sizeof present,
                              message->capabilities, message->capability_count);
    if (status == KP_OK) {
        for (uint32_t i = 0; i < message->capability_count; i++)
            message->capabilities[i] = (kp_capability_t){0}; /* they moved on */
        session->frame_pending++;
    }
    return status;
}

static kp_status_t on_tab_message(kp_session_t *session, kp_message_t *message)
{
    kp_message_header_t header;
    kp_tab_text_t text;
    if (message->byte_count < sizeof header)
        return KP_OK;
    memcpy(&header, message->bytes, sizeof header);
    switch (header.ordinal) {
    case KP_TAB_READY:
        session->ready = true;
        return KP_OK;
    case KP_TAB_LOAD_STATE:
        on_load_state(session, message);
        return KP_OK;
    case KP_TAB_FRAME:
        return on_frame(session, message);
    case KP_TAB_NAVIGATE_REQUEST:
        if (message->byte_count < sizeof text)
            return KP_OK;
        memcpy(&text, message->bytes, sizeof text);
        if (text.text_size > message->byte_count - sizeof text)
            return KP_OK;
        if (++session->redirects > REDIRECTS_MAX) {
            session->loaded = true;
            return fail(session, KP_ERR_TOO_MANY_REDIRECTS,
                        kp_status_text(KP_ERR_TOO_MANY_REDIRECTS));
        }
        return send_navigate(session, (const char *)message->bytes + sizeof text, text.text_size);
    default:
        return KP_OK; /* title, hover, scroll: nobody to show them to */
    }
}

static kp_status_t on_display_message(kp_session_t *session, const kp_message_t *message)
{
    kp_display_presented_t presented;
    kp_display_surface_t created;
    kp_message_header_t header;
    if (message->byte_count < sizeof header)
        return KP_OK;
    memcpy(&header, message->bytes, sizeof header);
    if (header.ordinal == KP_DISPLAY_SURFACE_CREATED && message->byte_count >= sizeof created) {
        memcpy(&created, message->bytes, sizeof created);
        session->surface = created.surface;
    }
    if (header.ordinal != KP_DISPLAY_PRESENTED || message->byte_count < sizeof presented)
        return KP_OK;
    memcpy(&presented, message->bytes, sizeof presented);
    if (session->frame_pending > 0)
        session->frame_pending--;
    if (presented.status != KP_OK)
        return fail(session, presented.status, "the display refused the page's frame");
    session->framed = session->framed || session->frame_load_id == session->load_id;
    kp_tab_frame_done_t done = {{KP_TAB_FRAME_DONE, 0}, presented.sequence};
    return send(session, session->tab, &done, sizeof done, NULL, 0);
}

/* ---- the loop ---- */

/* Waits for and handles one message of the tab or the display; *reply (may be NULL) gets the
   message instead of freeing it when its ordinal is `wanted`. */
static kp_status_t step(kp_session_t *session, kp_time_t deadline, uint32_t wanted,
                        kp_message_t **reply)
{
    kp_capability_t ends[2] = {session->tab, session->display};
    const char *const names[2] = {"the page's process", "the display service"};
    kp_waiter_t waiters[2];
    size_t count = session->display.object ? 2 : 1;
    /* A frame of the tab needs a surface to go to: until there is one, the tab's messages wait. */
    size_t first = session->display.object && !session->surface ? 1 : 0;
    memset(waiters, 0, sizeof waiters);
    for (size_t i = first; i < count; i++) {
        waiters[i].object = ends[i].object;
        waiters[i].signals = KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED;
    }
    kp_status_t status = kp_wait_many(waiters + first, count - first, deadline);
    if (status != KP_OK)
        return status;
    for (size_t i = first; i < count; i++) {
        kp_message_t *message = NULL;
        status = kp_channel_receive(ends[i], KP_TIME_POLL, &message);
        if (status == KP_ERR_SHOULD_WAIT)
            continue;
        if (status != KP_OK)
            return status == KP_ERR_PEER_CLOSED ? crash(session, names[i]) : status;
        kp_message_header_t header = {0};
        if (message->byte_count >= sizeof header)
            memcpy(&header, message->bytes, sizeof header);
        if (reply && header.ordinal == wanted) {
            *reply = message;
            return KP_OK;
        }
        status = i == 0 ? on_tab_message(session, message) : on_display_message(session, message);
        kp_message_destroy(message);
        if (status != KP_OK)
            return status;
    }
    return KP_OK;
}

/* Steps until the wanted message is there. */
static kp_status_t await(kp_session_t *session, uint32_t wanted, kp_message_t **reply)
{
    *reply = NULL;
    while (!*reply) {
        kp_status_t status = step(session, session->deadline, wanted, reply);
        if (status == KP_ERR_TIMED_OUT)
            return fail(session, status, "time limit");
        if (status != KP_OK)
            return status;
    }
    return KP_OK;
}

static kp_status_t configure(kp_session_t *session, uint32_t width)
{
    kp_tab_configure_t message = {
        .header = {KP_TAB_CONFIGURE, 0}, width, session->height, .scale = 256};
    return send(session, session->tab, &message, sizeof message, NULL, 0);
}

static kp_status_t start(kp_session_t *session)
{
    kp_status_t status = kp_coordinator_tab_create(&session->tab, &session->tab_process);
    if (status != KP_OK)
        return fail(session, status,
                    status == KP_ERR_NOT_FOUND ? "the boot archive has no tab program"
                                               : "the page's process cannot be started");
    status = configure(session, session->width);
    if (status == KP_OK && session->paints) {
        kp_service_t *service = NULL;
        status = kp_service_find("display", &service);
        if (status == KP_OK)
            status = kp_service_connect(service, &session->display);
        if (status != KP_OK)
            return fail(session, status, "there is no display service");
        kp_message_header_t create = {KP_DISPLAY_SURFACE_CREATE, 1};
        status = send(session, session->display, &create, sizeof create, NULL, 0);
    }
    if (status != KP_OK)
        return status;
    session->load_id = 1;
    if (session->target->file)
        return send_html(session);
    session->load_id = 0; /* send_navigate counts it up */
    return send_navigate(session, session->target->url, strlen(session->target->url));
}

/* Steps until the load has ended and the frame that shows it is painted. */
static kp_status_t settle(kp_session_t *session)
{
    for (;;) {
        bool shown = session->framed && session->frame_pending == 0;
        bool nothing = session->status != KP_OK && !session->committed;
        /* A page that memory does not hold gets no frame: waiting for one only uses up the time. */
        bool hopeless = session->status == KP_ERR_NO_MEMORY || session->status == KP_ERR_QUOTA;
        if (session->loaded && (shown || nothing || hopeless))
            return KP_OK;
        kp_status_t status = step(session, session->deadline, 0, NULL);
        if (status == KP_ERR_TIMED_OUT)
            return fail(session, status,
                        session->loaded ? "time limit: the page was not painted in time"
                                        : "time limit: the page did not finish loading");
        if (status != KP_OK)
            return status;
    }
}

kp_status_t kp_session_load(kp_session_t *session)
{
    snprintf(session->url, sizeof session->url, "%s", session->target->url);
    kp_status_t status = start(session);
    /* The surface must exist before the first frame is passed on. */
    if (status == KP_OK && session->paints && !session->surface) {
        kp_message_t *created = NULL;
        status = await(session, KP_DISPLAY_SURFACE_CREATED, &created);
        if (status == KP_OK)
            status = on_display_message(session, created);
        kp_message_destroy(created);
    }
    if (status == KP_OK)
        status = settle(session);
    /* As the shell does: a page taller than the viewport gives up room for the scroll bar. */
    if (status == KP_OK && session->has_scroll_bar && session->framed &&
        session->page_height > (int32_t)session->height && session->width > SCROLL_BAR_WIDTH) {
        session->framed = false;
        status = configure(session, session->width - SCROLL_BAR_WIDTH);
        if (status == KP_OK)
            status = settle(session);
    }
    return status;
}

kp_status_t kp_session_capture(kp_session_t *session, uint32_t width, uint32_t height,
                               const uint8_t **pixels, size_t *stride)
{
    kp_display_capture_t capture = {.header = {KP_DISPLAY_CAPTURE, 2},
                                    .surface = session->surface,
                                    .width = width,
                                    .height = height};
    kp_display_captured_t captured = {.status = KP_ERR_PROTOCOL};
    kp_message_t *message = NULL;
    kp_status_t status = send(session, session->display, &capture, sizeof capture, NULL, 0);
    if (status == KP_OK)
        status = await(session, KP_DISPLAY_CAPTURED, &message);
    if (status != KP_OK)
        return status;
    if (message->byte_count >= sizeof captured)
        memcpy(&captured, message->bytes, sizeof captured);
    status = captured.status;
    kp_object_t *object =
        message->capability_count ? kp_capability_acquire(&message->capabilities[0]) : NULL;
    uint64_t bytes = (uint64_t)captured.stride * height;
    if (status == KP_OK && (!object || object->type != KP_TYPE_VMO || captured.width != width ||
                            captured.height != height || captured.stride < width * 4ull ||
                            bytes > kp_vmo_size(kp_vmo_from_object(object))))
        status = KP_ERR_PROTOCOL;
    if (status == KP_OK) {
        free(session->pixels);
        session->pixels = malloc((size_t)bytes);
        status = session->pixels
                     ? kp_vmo_read(kp_vmo_from_object(object), 0, session->pixels, (size_t)bytes)
                     : KP_ERR_NO_MEMORY;
    }
    kp_object_release(object);
    kp_message_destroy(message);
    if (status != KP_OK)
        return fail(session, status, "the page could not be painted");
    *pixels = session->pixels;
    *stride = captured.stride;
    return KP_OK;
}

kp_status_t kp_session_dump(kp_session_t *session, uint32_t format, uint8_t **bytes, size_t *size)
{
    kp_tab_dump_t dump = {.header = {KP_TAB_DUMP, 1}, .format = format};
    kp_tab_dumped_t dumped = {.status = KP_ERR_PROTOCOL};
    kp_message_t *message = NULL;
    kp_status_t status = send(session, session->tab, &dump, sizeof dump, NULL, 0);
    if (status == KP_OK)
        status = await(session, KP_TAB_DUMPED, &message);
    if (status != KP_OK)
        return status;
    if (message->byte_count >= sizeof dumped)
        memcpy(&dumped, message->bytes, sizeof dumped);
    status = dumped.status;
    kp_object_t *object =
        message->capability_count ? kp_capability_acquire(&message->capabilities[0]) : NULL;
    if (status == KP_OK && dumped.size > 0 &&
        (!object || object->type != KP_TYPE_VMO || dumped.size > DUMP_MAX ||
         dumped.size > kp_vmo_size(kp_vmo_from_object(object))))
        status = KP_ERR_PROTOCOL;
    if (status == KP_OK) {
        *size = dumped.size;
        *bytes = malloc(*size + 1);
        status = *bytes ? KP_OK : KP_ERR_NO_MEMORY;
    }
    if (status == KP_OK && *size > 0)
        status = kp_vmo_read(kp_vmo_from_object(object), 0, *bytes, *size);
    kp_object_release(object);
    kp_message_destroy(message);
    if (status != KP_OK)
        return fail(session, status, "the page could not be dumped");
    return KP_OK;
}

void kp_session_close(kp_session_t *session)
{
    kp_capability_close(&session->tab);
    kp_capability_close(&session->tab_process);
    kp_capability_close(&session->display);
    free(session->pixels);
    session->pixels = NULL;
}
