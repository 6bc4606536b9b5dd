#include "shell/link.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGES_A_ROUND 16 /* then the other handles have a turn */

struct kp_shell_link_packet {
    kp_shell_link_packet_t *next;
    uint32_t size;
    uint32_t handle_count;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    uint8_t bytes[];
};

static void close_handles(const kp_handle_t *handles, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (handles[i] != KP_HANDLE_NONE)
            (void)kp_handle_close(handles[i]);
    }
}

static void signaled(void *context, kp_handle_t handle, kp_signals_t observed);

static kp_status_t rewatch(kp_shell_link_t *link)
{
    kp_signals_t signals = link->is_paused ? 0 : KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED;
    if (link->first)
        signals |= KP_SIGNAL_WRITABLE;
    return kp_loop_watch(link->loop, link->channel, signals, signaled, link);
}

kp_status_t kp_shell_link_open(kp_shell_link_t *link, kp_handle_t channel)
{
    link->channel = channel;
    link->is_paused = false;
    link->generation++;
    kp_status_t status = rewatch(link);
    if (status != KP_OK)
        link->channel = KP_HANDLE_NONE;
    return status;
}

static void drop_first(kp_shell_link_t *link)
{
    kp_shell_link_packet_t *packet = link->first;
    link->first = packet->next;
    if (!link->first)
        link->last = NULL;
    link->backlog--;
    free(packet);
}

void kp_shell_link_close(kp_shell_link_t *link)
{
    if (link->channel == KP_HANDLE_NONE)
        return;
    kp_loop_unwatch(link->loop, link->channel);
    (void)kp_handle_close(link->channel);
    link->channel = KP_HANDLE_NONE;
    while (link->first) {
        close_handles(link->first->handles, link->first->handle_count);
        drop_first(link);
    }
}

void kp_shell_link_pause(kp_shell_link_t *link, bool is_paused)
{
    if (link->channel == KP_HANDLE_NONE || link->is_paused == is_paused)
        return;
    link->is_paused = is_paused;
    (void)rewatch(link); /* cannot fail: the handle is watched already */
}

static void fail(kp_shell_link_t *link)
{
    kp_shell_link_close(link);
    link->ops->closed(link->context);
}

/* Sends what is queued until the other side's queue is full again. */
static void flush(kp_shell_link_t *link)
{
    while (link->first) {
        kp_shell_link_packet_t *packet = link->first;
        kp_status_t status = kp_channel_write(link->channel, packet->bytes, packet->size,
                                              packet->handles, packet->handle_count);
        if (status == KP_ERR_SHOULD_WAIT)
            break;
        if (status != KP_OK) { /* the peer is gone: the read side will tell; or it cannot be sent */
            kp_log("a message was lost: %s", kp_status_name(status));
            close_handles(packet->handles, packet->handle_count);
        }
        drop_first(link);
    }
    (void)rewatch(link);
}

/* One message; false when there is none now or the link is closed (again). */
static bool receive(kp_shell_link_t *link)
{
    uint32_t generation = link->generation;
    kp_status_t status = kp_message_receive(link->channel, link->message);
    if (status == KP_ERR_SHOULD_WAIT)
        return false;
    if (status != KP_OK) {
        fail(link);
        return false;
    }
    link->ops->message(link->context, link->message);
    kp_message_clear(link->message);
    return link->generation == generation && link->channel != KP_HANDLE_NONE && !link->is_paused;
}

static void signaled(void *context, kp_handle_t handle, kp_signals_t observed)
{
    kp_shell_link_t *link = context;
    (void)handle;
    if (observed == 0) { /* the wait failed: the loop has forgotten the handle */
        fail(link);
        return;
    }
    if (link->first && (observed & (KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED)))
        flush(link);
    if (link->is_paused || !(observed & (KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED)))
        return;
    for (int i = 0; i < MESSAGES_A_ROUND && receive(link); i++) {
    }
}

static kp_status_t enqueue(kp_shell_link_t *link, const void *head, size_t head_size,
                           const void *tail, size_t tail_size, const kp_handle_t *handles,
                           size_t handle_count)
{
    if (link->backlog == KP_SHELL_LINK_BACKLOG)
        return KP_ERR_SHOULD_WAIT;
    kp_shell_link_packet_t *packet = malloc(sizeof(*packet) + head_size + tail_size);
    if (!packet)
        return KP_ERR_NO_MEMORY;
    packet->next = NULL;
    packet->size = (uint32_t)(head_size + tail_size);
    packet->handle_count = (uint32_t)handle_count;
    memcpy(packet->bytes, head, head_size);
    if (tail_size > 0)
        memcpy(packet->bytes + head_size, tail, tail_size);
    if (handle_count > 0)
        memcpy(packet->handles, handles, handle_count * sizeof(*handles));
    if (link->last)
        link->last->next = packet;
    else
        link->first = packet;
    link->last = packet;
    link->backlog++;
    return rewatch(link);
}

kp_status_t kp_shell_link_send(kp_shell_link_t *link, const void *head, size_t head_size,
                               const void *tail, size_t tail_size, const kp_handle_t *handles,
                               size_t handle_count)
{
    kp_status_t status = KP_ERR_BAD_STATE;
    if (head_size > KP_CHANNEL_BYTES_MAX || tail_size > KP_CHANNEL_BYTES_MAX - head_size ||
        handle_count > KP_CHANNEL_HANDLES_MAX)
        status = KP_ERR_TOO_LARGE;
    else if (link->channel != KP_HANDLE_NONE && !link->first)
        status = kp_message_send_with(link->channel, head, head_size, tail, tail_size, handles,
                                      handle_count);
    else if (link->channel != KP_HANDLE_NONE)
        status = KP_ERR_SHOULD_WAIT;
    if (status == KP_ERR_SHOULD_WAIT)
        status = enqueue(link, head, head_size, tail, tail_size, handles, handle_count);
    if (status != KP_OK)
        close_handles(handles, handle_count);
    return status;
}

kp_status_t kp_shell_link_send_latest(kp_shell_link_t *link, const void *head, size_t head_size)
{
    for (kp_shell_link_packet_t *packet = link->first; packet; packet = packet->next) {
        if (packet->size == head_size && packet->handle_count == 0 &&
            memcmp(packet->bytes, head, sizeof(uint32_t)) == 0) {
            memcpy(packet->bytes, head, head_size);
            return KP_OK;
        }
    }
    return kp_shell_link_send(link, head, head_size, NULL, 0, NULL, 0);
}
