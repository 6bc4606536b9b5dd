/* Clocks, entropy and waiting by kernel calls. */
#include "runtime/wasi/kpio.h"

#include "runtime/program/kp.h"
#include "runtime/wasi/kpio_internal.h"

enum { RANDOM_MAX = 65536 }; /* bytes, of one call */

kp_wasi_errno_t kp_wasi_kpio_errno(kp_status_t status)
{
    switch (status) {
    case KP_OK:
        return KP_WASI_SUCCESS;
    case KP_ERR_NO_MEMORY:
    case KP_ERR_QUOTA:
        return KP_WASI_NOMEM;
    case KP_ERR_SHOULD_WAIT:
        return KP_WASI_AGAIN;
    case KP_ERR_PEER_CLOSED:
        return KP_WASI_PIPE;
    case KP_ERR_ACCESS_DENIED:
        return KP_WASI_ACCES;
    case KP_ERR_NOT_FOUND:
        return KP_WASI_NOENT;
    case KP_ERR_INVALID_ARGUMENT:
        return KP_WASI_INVAL;
    case KP_ERR_BAD_ADDRESS:
        return KP_WASI_FAULT;
    case KP_ERR_NOT_SUPPORTED:
        return KP_WASI_NOTSUP;
    case KP_ERR_BAD_HANDLE:
    case KP_ERR_CANCELLED:
    case KP_ERR_REVOKED:
        return KP_WASI_BADF;
    default:
        return KP_WASI_IO;
    }
}

kp_wasi_errno_t kp_wasi_kpio_clock_time(void *context, uint32_t clock, uint64_t *ns)
{
    static const uint8_t clocks[KP_WASI_CLOCKS] = {KP_CLOCK_REALTIME, KP_CLOCK_MONOTONIC,
                                                   KP_CLOCK_PROCESS, KP_CLOCK_THREAD};
    (void)context;
    return kp_wasi_kpio_errno(kp_clock_get(clocks[clock], ns));
}

/* All are counted in nanoseconds. */
kp_wasi_errno_t kp_wasi_kpio_clock_resolution(void *context, uint32_t clock, uint64_t *ns)
{
    (void)context, (void)clock;
    *ns = 1;
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_kpio_random(void *context, uint8_t *bytes, size_t count)
{
    (void)context;
    while (count > 0) {
        size_t part = count < RANDOM_MAX ? count : RANDOM_MAX;
        kp_status_t status = kp_random_get(bytes, part);
        if (status != KP_OK)
            return kp_wasi_kpio_errno(status);
        bytes += part;
        count -= part;
    }
    return KP_WASI_SUCCESS;
}

/* ---- waiting ---- */

static kp_time_t deadline_of(uint64_t wait_ns)
{
    if (wait_ns == 0)
        return KP_TIME_POLL;
    kp_time_t now = kp_now();
    return wait_ns < (uint64_t)(KP_TIME_INFINITE - now) ? now + (kp_time_t)wait_ns
                                                        : KP_TIME_INFINITE;
}

/* What the waits say about a stream. */
static void poll_answer(kp_wasi_poll_t *poll, const kp_wait_item_t *items)
{
    const kp_wasi_kpio_stream_t *stream = kp_wasi_kpio_stream(poll->file);
    kp_signals_t signals = kp_wasi_kpio_stream_signals(stream, poll->write);
    if (signals == 0) {
        poll->ready = true;
        poll->available = poll->write ? 0 : stream->message_count;
        return;
    }
    kp_signals_t observed = items[stream->wait_index].observed;
    poll->ready = observed & signals;
    poll->hangup =
        (observed & KP_SIGNAL_PEER_CLOSED) && (poll->write || !(observed & KP_SIGNAL_READABLE));
}

/* One of the handles is bad: which? */
static kp_wasi_errno_t poll_blame(kp_wasi_poll_t *polls, size_t count, kp_status_t status)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        const kp_wasi_kpio_stream_t *stream = kp_wasi_kpio_stream(polls[i].file);
        kp_signals_t signals = kp_wasi_kpio_stream_signals(stream, polls[i].write);
        if (signals == 0)
            continue;
        kp_status_t own = kp_object_wait_one(stream->handle, signals, KP_TIME_POLL, NULL);
        if (own != KP_OK && own != KP_ERR_TIMED_OUT) {
            polls[i].error = kp_wasi_kpio_errno(own);
            found = true;
        }
    }
    return found ? KP_WASI_SUCCESS : kp_wasi_kpio_errno(status);
}

kp_wasi_errno_t kp_wasi_kpio_poll(void *context, kp_wasi_poll_t *polls, size_t count,
                                  uint64_t wait_ns)
{
    kp_wait_item_t items[KP_WAIT_MANY_MAX];
    uint32_t item_count = 0;
    (void)context;
    for (size_t i = 0; i < count; i++)
        kp_wasi_kpio_stream(polls[i].file)->wait_index = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        kp_wasi_kpio_stream_t *stream = kp_wasi_kpio_stream(polls[i].file);
        kp_signals_t signals = kp_wasi_kpio_stream_signals(stream, polls[i].write);
        if (signals == 0) {
            wait_ns = 0;
            continue;
        }
        if (stream->wait_index == UINT32_MAX) {
            if (item_count == KP_WAIT_MANY_MAX)
                return KP_WASI_NOTSUP;
            stream->wait_index = item_count;
            items[item_count++] = (kp_wait_item_t){.handle = stream->handle};
        }
        items[stream->wait_index].signals |= signals;
    }
    kp_status_t status = kp_object_wait_many(items, item_count, deadline_of(wait_ns));
    if (status != KP_OK && status != KP_ERR_TIMED_OUT)
        return poll_blame(polls, count, status);
    for (size_t i = 0; i < count; i++)
        poll_answer(&polls[i], items);
    return KP_WASI_SUCCESS;
}

/* A program that yields has nothing that must happen now: others run while it waits the least time. */
void kp_wasi_kpio_yield(void *context)
{
    (void)context;
    (void)kp_object_wait_many(NULL, 0, KP_TIME_POLL); /* a sleep that failed is over */
}

const kp_wasi_host_t kp_wasi_kpio_host = {
    .clock_time = kp_wasi_kpio_clock_time,
    .clock_resolution = kp_wasi_kpio_clock_resolution,
    .random = kp_wasi_kpio_random,
    .poll = kp_wasi_kpio_poll,
    .yield = kp_wasi_kpio_yield,
};
