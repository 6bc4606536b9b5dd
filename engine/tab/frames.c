#include "engine/tab/tab.h"

#include <stdlib.h>
#include <string.h>

/* A frame's message carries the list and the resources. */
#define NEW_RESOURCES_MAX (KP_CHANNEL_HANDLES_MAX - 1)
#define FRAME_INTERVAL_MIN (16 * KP_NS_PER_MS)
#define RETRY_INTERVAL (500 * KP_NS_PER_MS)

static void present(void *context);

void kp_tab_frames_init(kp_tab_frames_t *frames, kp_loop_t *loop, kp_outbox_t *outbox,
                        kp_tab_resources_t *resources, const uint32_t *load_id)
{
    *frames = (kp_tab_frames_t){
        .loop = loop, .outbox = outbox, .resources = resources, .load_id = load_id};
    kp_loop_timer_init(&frames->timer, present, frames);
}

static void schedule(kp_tab_frames_t *frames)
{
    if (frames->is_wanted && frames->is_configured && !frames->is_in_flight)
        kp_loop_timer_set(frames->loop, &frames->timer, frames->is_urgent ? 0 : frames->earliest);
}

void kp_tab_frames_want(kp_tab_frames_t *frames)
{
    frames->is_wanted = true;
    schedule(frames);
}

void kp_tab_frames_want_now(kp_tab_frames_t *frames)
{
    frames->is_urgent = true;
    kp_tab_frames_want(frames);
    if (!frames->is_configured && frames->settled)
        frames->settled(frames->settled_context);
}

void kp_tab_frames_done(kp_tab_frames_t *frames, uint32_t sequence)
{
    if (!frames->is_in_flight || sequence != frames->sequence)
        return;
    frames->is_in_flight = false;
    schedule(frames);
}

/* Keeps the engine's commands, without those about resources, which announce() writes itself: a
   message can carry only so many handles, and the display may need them again. */
static kp_status_t take_commands(kp_tab_frames_t *frames, const kp_engine_frame_t *frame)
{
    if (frame->list_size < sizeof(kp_display_list_t))
        return KP_ERR_BAD_FORMAT;
    size_t size = frame->list_size - sizeof(kp_display_list_t);
    if (size > frames->command_capacity) {
        uint8_t *grown = realloc(frames->commands, size);
        if (!grown)
            return KP_ERR_NO_MEMORY;
        frames->commands = grown;
        frames->command_capacity = size;
    }
    const uint8_t *at = frame->list + sizeof(kp_display_list_t);
    const uint8_t *end = frame->list + frame->list_size;
    uint8_t *to = frames->commands;
    frames->command_count = 0;
    while ((size_t)(end - at) >= sizeof(kp_display_command_t)) {
        kp_display_command_t command;
        memcpy(&command, at, sizeof command);
        if (command.size < sizeof command || command.size > (size_t)(end - at))
            return KP_ERR_BAD_FORMAT;
        if (command.kind != KP_DISPLAY_RESOURCE && command.kind != KP_DISPLAY_RESOURCE_DROP) {
            memcpy(to, at, command.size);
            to += command.size;
            frames->command_count++;
        }
        at += command.size;
    }
    frames->command_bytes = (size_t)(to - frames->commands);
    frames->last.page_width = frame->page_width;
    frames->last.page_height = frame->page_height;
    frames->last.background = frame->background;
    frames->has_frame = true;
    return KP_OK;
}

/* A VMO of at least size bytes: the one used two frames ago, or a new one. */
static kp_status_t list_buffer(kp_tab_frames_t *frames, size_t size, kp_vmo_buffer_t **out)
{
    kp_vmo_buffer_t *buffer = &frames->lists[frames->next_list];
    if (buffer->size < size) {
        kp_vmo_buffer_destroy(buffer);
        kp_status_t status = kp_vmo_buffer_create(buffer, size + size / 4);
        if (status != KP_OK)
            return status;
    }
    frames->next_list ^= 1;
    *out = buffer;
    return KP_OK;
}

static kp_status_t send_frame(kp_tab_frames_t *frames)
{
    size_t news = kp_tab_resources_news_size(frames->resources, NEW_RESOURCES_MAX);
    size_t size = sizeof(kp_display_list_t) + news + frames->command_bytes;
    if (size > KP_DISPLAY_LIST_MAX)
        return KP_ERR_TOO_LARGE;
    kp_vmo_buffer_t *buffer = NULL;
    kp_status_t status = list_buffer(frames, size, &buffer);
    if (status != KP_OK)
        return status;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    int64_t list = kp_vmo_buffer_share(buffer, KP_RIGHT_READ | KP_RIGHT_MAP | KP_RIGHT_DUPLICATE |
                                                   KP_RIGHT_TRANSFER);
    if (list < 0)
        return (kp_status_t)list;
    handles[0] = (kp_handle_t)list;
    uint8_t *at = buffer->bytes;
    uint32_t announced = 0;
    size_t resource_count = 0;
    status = kp_tab_resources_announce(frames->resources, NEW_RESOURCES_MAX,
                                       at + sizeof(kp_display_list_t), &announced, handles + 1,
                                       &resource_count);
    if (status != KP_OK) {
        kp_handle_close(handles[0]);
        return status;
    }
    kp_display_list_t head = {
        .magic = KP_DISPLAY_LIST_MAGIC,
        .command_bytes = (uint32_t)(news + frames->command_bytes),
        .command_count = announced + frames->command_count,
    };
    memcpy(at, &head, sizeof head);
    if (frames->command_bytes)
        memcpy(at + sizeof head + news, frames->commands, frames->command_bytes);
    kp_tab_frame_t *message = &frames->last;
    message->header = (kp_message_header_t){KP_TAB_FRAME, 0};
    message->load_id = *frames->load_id;
    message->sequence = frames->sequence + 1;
    message->list_size = (uint32_t)size;
    message->resource_count = (uint32_t)resource_count;
    kp_message_part_t part = {message, sizeof *message};
    status = kp_outbox_send(frames->outbox, &part, 1, handles, resource_count + 1);
    if (status != KP_OK)
        return status;
    frames->sequence++;
    frames->is_in_flight = true;
    return KP_OK;
}

/* Memory may be back soon, and nothing else would send what the page has become. */
static void retry_later(kp_tab_frames_t *frames, kp_time_t now)
{
    frames->is_wanted = true;
    if (frames->earliest < now + RETRY_INTERVAL)
        frames->earliest = now + RETRY_INTERVAL;
    kp_loop_timer_set(frames->loop, &frames->timer, frames->earliest);
}

static void present(void *context)
{
    kp_tab_frames_t *frames = context;
    if (!frames->is_wanted || frames->is_in_flight)
        return;
    frames->is_wanted = false;
    kp_time_t start = kp_now();
    kp_engine_frame_t frame;
    kp_status_t status = kp_engine_frame(frames->engine, &frame);
    bool is_new = status == KP_OK;
    if (is_new)
        status = take_commands(frames, &frame);
    else if (status == KP_ERR_SHOULD_WAIT)
        status = KP_OK;
    if (status == KP_OK && frames->has_frame &&
        (is_new || frames->is_owed || kp_tab_resources_has_news(frames->resources))) {
        status = send_frame(frames);
        frames->is_owed = status != KP_OK;
    }
    if (status != KP_OK)
        kp_log("no frame: %s", kp_status_text(status));
    /* Layout may use a quarter of the time while a page arrives. */
    kp_time_t end = kp_now();
    kp_time_t pause = 3 * (end - start);
    frames->earliest = end + (pause > FRAME_INTERVAL_MIN ? pause : FRAME_INTERVAL_MIN);
    if (status == KP_OK && kp_tab_resources_has_news(frames->resources)) {
        kp_tab_frames_want(frames);
        return;
    }
    if (status == KP_ERR_NO_MEMORY || status == KP_ERR_QUOTA)
        retry_later(frames, end);
    if (frames->is_urgent && (!frames->is_wanted || status != KP_OK)) {
        frames->is_urgent = false;
        if (frames->settled)
            frames->settled(frames->settled_context);
    }
}
