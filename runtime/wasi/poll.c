/* poll_oneoff: clocks and descriptors in one wait. */
#include <stdlib.h>

#include "runtime/wasi/internal.h"

enum { SUBSCRIPTIONS_MAX = 4096 };

/* A subscription as it was read: nothing in memory is looked at twice. */
typedef struct subscription {
    uint64_t user_data;
    uint8_t type;
    kp_wasi_errno_t error; /* known at once */
    uint64_t wait_ns;      /* clocks: from now */
    bool is_ready;         /* a file: at once, with so many bytes left */
    uint64_t left;
    size_t poll; /* other descriptors: index among the polls */
} subscription_t;

static kp_wasi_errno_t clock_read(const kp_wasi_t *wasi, const uint8_t *at, uint64_t *wait_ns)
{
    uint32_t clock = kp_wasi_get32(at + 16);
    uint64_t timeout = kp_wasi_get64(at + 24), now;
    uint16_t flags = (uint16_t)kp_wasi_get32(at + 40);
    *wait_ns = timeout;
    if (clock > 1 || flags & ~KP_WASI_SUBCLOCK_ABSTIME)
        return clock >= KP_WASI_CLOCKS || flags & ~KP_WASI_SUBCLOCK_ABSTIME ? KP_WASI_INVAL
                                                                            : KP_WASI_NOTSUP;
    if (flags & KP_WASI_SUBCLOCK_ABSTIME) {
        kp_wasi_errno_t error =
            wasi->options.host->clock_time(wasi->options.host->context, clock, &now);
        if (error)
            return error;
        *wait_ns = timeout > now ? timeout - now : 0;
    }
    return KP_WASI_SUCCESS;
}

/* Files and directories are ready always. The bytes that are left of a file, when it has a position. */
static uint64_t file_left(kp_wasi_file_t *file)
{
    kp_wasi_filestat_t stat;
    uint64_t position;
    if (!file->ops->seek || !file->ops->stat ||
        file->ops->seek(file, 0, KP_WASI_WHENCE_CUR, &position) || file->ops->stat(file, &stat))
        return 0;
    return stat.size > position ? stat.size - position : 0;
}

static void subscription_read(kp_wasi_t *wasi, const uint8_t *at, subscription_t *subscription,
                              kp_wasi_poll_t *polls, size_t *poll_count)
{
    const uint64_t right = KP_WASI_RIGHT(KP_WASI_RIGHT_POLL_FD_READWRITE);
    kp_wasi_descriptor_t *descriptor;
    *subscription = (subscription_t){.user_data = kp_wasi_get64(at), .type = at[8]};
    if (subscription->type == KP_WASI_EVENT_CLOCK) {
        subscription->error = clock_read(wasi, at, &subscription->wait_ns);
        return;
    }
    subscription->error = kp_wasi_descriptor(wasi, kp_wasi_get32(at + 16), right, &descriptor);
    if (subscription->error)
        return;
    kp_wasi_file_t *file = descriptor->file;
    if (file->type == KP_WASI_FILETYPE_REGULAR_FILE || file->type == KP_WASI_FILETYPE_DIRECTORY) {
        subscription->is_ready = true;
        if (subscription->type == KP_WASI_EVENT_FD_READ)
            subscription->left = file_left(file);
        return;
    }
    subscription->poll = *poll_count;
    polls[(*poll_count)++] =
        (kp_wasi_poll_t){.file = file, .write = subscription->type == KP_WASI_EVENT_FD_WRITE};
}

static void event_write(uint8_t *at, const subscription_t *subscription, kp_wasi_errno_t error,
                        const kp_wasi_poll_t *poll)
{
    memset(at, 0, KP_WASI_SIZE_EVENT);
    kp_wasi_put64(at, subscription->user_data);
    kp_wasi_put16(at + 8, error);
    at[10] = subscription->type;
    kp_wasi_put64(at + 16, subscription->left);
    if (poll) {
        kp_wasi_put64(at + 16, poll->available);
        kp_wasi_put16(at + 24, poll->hangup ? KP_WASI_EVENT_FD_HANGUP : 0);
    }
}

/* What is due after a wait of at most `wait` ns. */
static uint32_t events_write(uint8_t *out, const subscription_t *subscriptions, uint32_t count,
                             const kp_wasi_poll_t *polls, uint64_t wait, bool any_ready)
{
    uint32_t written = 0;
    for (uint32_t i = 0; i < count; i++) {
        const subscription_t *s = &subscriptions[i];
        const kp_wasi_poll_t *poll = NULL;
        kp_wasi_errno_t error = s->error;
        bool due = error != 0 || s->is_ready;
        if (!due && s->type == KP_WASI_EVENT_CLOCK) {
            due = !any_ready && s->wait_ns <= wait;
        } else if (!due) {
            poll = &polls[s->poll];
            due = poll->ready || poll->error;
            error = poll->error;
        }
        if (due)
            event_write(out + (size_t)written++ * KP_WASI_SIZE_EVENT, s, error, poll);
    }
    return written;
}

static kp_wasi_errno_t poll_perform(kp_wasi_context_t *c, const uint8_t *in, uint8_t *out,
                                    uint32_t count, subscription_t *subscriptions,
                                    kp_wasi_poll_t *polls)
{
    const kp_wasi_host_t *host = c->wasi->options.host;
    uint64_t wait = UINT64_MAX;
    size_t poll_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        subscription_t *s = &subscriptions[i];
        subscription_read(c->wasi, in + (size_t)i * KP_WASI_SIZE_SUBSCRIPTION, s, polls,
                          &poll_count);
        if (s->type > KP_WASI_EVENT_FD_WRITE)
            return KP_WASI_INVAL;
        if (s->error || s->is_ready)
            wait = 0;
        else if (s->type == KP_WASI_EVENT_CLOCK && s->wait_ns < wait)
            wait = s->wait_ns;
    }
    kp_wasi_errno_t error = host->poll(host->context, polls, poll_count, wait);
    if (error)
        return error;
    bool any_ready = false;
    for (size_t i = 0; i < poll_count; i++)
        any_ready |= polls[i].ready || polls[i].error;
    for (uint32_t i = 0; i < count; i++)
        any_ready |= subscriptions[i].is_ready;
    uint32_t written = events_write(out, subscriptions, count, polls, wait, any_ready);
    return kp_wasi_write32(c, kp_wasi_u32(c, 3), written);
}

kp_wasi_errno_t kp_wasi_fn_poll_oneoff(kp_wasi_context_t *c)
{
    uint32_t count = kp_wasi_u32(c, 2);
    if (count == 0 || count > SUBSCRIPTIONS_MAX)
        return KP_WASI_INVAL;
    const uint8_t *in =
        kp_wasi_at(c, kp_wasi_u32(c, 0), (uint64_t)count * KP_WASI_SIZE_SUBSCRIPTION);
    uint8_t *out = kp_wasi_at(c, kp_wasi_u32(c, 1), (uint64_t)count * KP_WASI_SIZE_EVENT);
    if (!in || !out || !kp_wasi_at(c, kp_wasi_u32(c, 3), 4))
        return KP_WASI_FAULT;
    subscription_t *subscriptions = malloc(count * sizeof(*subscriptions));
    kp_wasi_poll_t *polls = malloc(count * sizeof(*polls));
    kp_wasi_errno_t error = KP_WASI_NOMEM;
    if (subscriptions && polls)
        error = poll_perform(c, in, out, count, subscriptions, polls);
    free(subscriptions);
    free(polls);
    return error;
}
