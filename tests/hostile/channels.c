/* Messages where they do not belong, and too many of them. */
#include "abi/ipc.h"
#include "tests/hostile/hostile.h"

int abuse_message_to_oneself(void)
{
    kp_handle_t ends[2];
    char bytes[16];
    uint32_t actual[2];
    CHECK(kp_channel_create(ends) == KP_OK);
    for (int i = 0; i < 100; i++)
        CHECK(kp_channel_write(ends[0], "to me", 5, NULL, 0) == KP_OK);
    for (int i = 0; i < 100; i++)
        CHECK(kp_channel_read(ends[1], bytes, sizeof(bytes), NULL, 0, actual) == KP_OK);
    CHECK(kp_channel_read(ends[1], bytes, sizeof(bytes), NULL, 0, actual) == KP_ERR_SHOULD_WAIT);
    CHECK(kp_channel_read(ends[0], bytes, sizeof(bytes), NULL, 0, actual) == KP_ERR_SHOULD_WAIT);
    return 0;
}

int abuse_channel_through_itself(void)
{
    kp_handle_t ends[2], twice[2];
    CHECK(kp_channel_create(ends) == KP_OK);
    CHECK(kp_channel_write(ends[0], NULL, 0, &ends[0], 1) == KP_ERR_INVALID_ARGUMENT);
    CHECK(kp_channel_write(ends[0], NULL, 0, &ends[1], 1) == KP_ERR_INVALID_ARGUMENT);
    /* Both survive the attempt. */
    CHECK(kp_channel_write(ends[0], "x", 1, NULL, 0) == KP_OK);
    int64_t event = kp_event_create();
    CHECK(event > 0);
    twice[0] = twice[1] = (kp_handle_t)event;
    CHECK(kp_channel_write(ends[0], NULL, 0, twice, 2) == KP_ERR_BAD_HANDLE);
    CHECK(kp_object_signal((kp_handle_t)event, 0, KP_SIGNAL_SIGNALED) == KP_OK);
    return 0;
}

int abuse_channel_cycle(void)
{
    for (int i = 0; i < 200; i++) {
        kp_handle_t a[2], b[2];
        CHECK(kp_channel_create(a) == KP_OK && kp_channel_create(b) == KP_OK);
        CHECK(kp_channel_write(a[0], NULL, 0, &b[1], 1) == KP_OK); /* b1 lies in a1's queue */
        CHECK(kp_channel_write(b[0], NULL, 0, &a[1], 1) == KP_ERR_INVALID_ARGUMENT);
        CHECK(kp_handle_close(a[0]) == KP_OK && kp_handle_close(a[1]) == KP_OK);
        CHECK(kp_channel_write(b[0], "x", 1, NULL, 0) == KP_ERR_PEER_CLOSED);
        CHECK(kp_handle_close(b[0]) == KP_OK);
    }
    return 0;
}

/* Channels in channels in channels. From the inside out any depth goes (and is freed without recursion); from
   the outside in each send has to look at all levels above, so it is refused at some depth. */
int abuse_deep_nesting(void)
{
    kp_handle_t inner[2], outer[2];
    CHECK(kp_channel_create(inner) == KP_OK);
    for (int depth = 0; depth < 2000; depth++) {
        CHECK(kp_channel_create(outer) == KP_OK);
        CHECK(kp_channel_write(outer[0], NULL, 0, &inner[1], 1) == KP_OK);
        CHECK(kp_handle_close(inner[0]) == KP_OK);
        inner[0] = outer[0];
        inner[1] = outer[1];
    }
    CHECK(kp_handle_close(inner[0]) == KP_OK && kp_handle_close(inner[1]) == KP_OK);

    CHECK(kp_channel_create(outer) == KP_OK);
    for (int depth = 0; depth < 1000; depth++) {
        CHECK(kp_channel_create(inner) == KP_OK);
        kp_status_t status = kp_channel_write(outer[0], NULL, 0, &inner[1], 1);
        if (status != KP_OK) {
            CHECK(status == KP_ERR_INVALID_ARGUMENT && depth > 8);
            return 0;
        }
        outer[0] = inner[0];
    }
    return __LINE__;
}

int abuse_channel_flood(void)
{
    kp_handle_t ends[2];
    kp_status_t status;
    uint32_t count = 0;
    while ((status = kp_channel_create(ends)) == KP_OK)
        count++;
    CHECK(is_limit(status) && count > 100);
    /* At the limit everything else still works. */
    CHECK(kp_handle_close(ends[0]) != KP_OK || true);
    return 0;
}

/* Parks handles in queues instead of its table. */
int abuse_handle_flood(void)
{
    kp_handle_t ends[2];
    uint32_t parked = 0;
    kp_status_t status = kp_channel_create(ends);
    CHECK(status == KP_OK);
    for (;;) {
        kp_handle_t events[64];
        for (int i = 0; i < 64; i++) {
            int64_t event = kp_event_create();
            if (event < 0) {
                CHECK(is_limit(event) && parked > 0);
                return 0;
            }
            events[i] = (kp_handle_t)event;
        }
        status = kp_channel_write(ends[0], NULL, 0, events, 64);
        if (status == KP_ERR_SHOULD_WAIT) {
            for (int i = 0; i < 64; i++)
                CHECK(kp_handle_close(events[i]) == KP_OK);
            status = kp_channel_create(ends);
        }
        if (status != KP_OK) {
            CHECK(is_limit(status));
            return 0;
        }
        parked += 64;
    }
}

int abuse_message_flood(void)
{
    static uint8_t bytes[KP_CHANNEL_BYTES_MAX];
    kp_handle_t ends[2];
    uint64_t queued = 0;
    kp_status_t status = KP_OK;
    while (status == KP_OK) {
        status = kp_channel_create(ends);
        while (status == KP_OK) {
            status = kp_channel_write(ends[0], bytes, sizeof(bytes), NULL, 0);
            queued += status == KP_OK ? sizeof(bytes) : 0;
        }
        if (status == KP_ERR_SHOULD_WAIT)
            status = KP_OK;
    }
    CHECK(is_limit(status) && queued > 0);
    /* Never more than a process is allowed (32 MiB by the boot table). */
    CHECK(queued <= 64u << 20);
    return 0;
}

/* The driver does not read: its queue fills, and that is all. */
int abuse_flood_of_the_driver(void)
{
    static uint8_t bytes[4096];
    for (uint64_t i = 0;; i++) {
        kp_status_t status = kp_channel_write(hostile_control, bytes, i % 4096, NULL, 0);
        CHECK(status == KP_OK || status == KP_ERR_SHOULD_WAIT || is_limit(status));
    }
}

int abuse_dies_with_full_queues(void)
{
    static uint8_t bytes[KP_CHANNEL_BYTES_MAX];
    kp_handle_t ends[2], inside[2];
    for (int i = 0; i < 50; i++) {
        CHECK(kp_channel_create(ends) == KP_OK);
        for (int k = 0; k < 3; k++) {
            CHECK(kp_channel_create(inside) == KP_OK);
            CHECK(kp_channel_write(ends[0], bytes, 9000, &inside[0], 1) == KP_OK);
        }
    }
    __builtin_trap();
}

/* ---- calls and replies ---- */

int abuse_forged_transactions(void)
{
    kp_handle_t ends[2];
    char bytes[8] = "forged";
    CHECK(kp_channel_create(ends) == KP_OK);
    for (uint32_t i = 0; i < 2000; i++) {
        kp_channel_message_t reply = {.bytes = (uint32_t)kp_mem(bytes),
                                      .byte_count = sizeof(bytes),
                                      .transaction = i < 1000 ? i : hostile_random()};
        int64_t status = RAW(channel_reply, ends[0], kp_mem(&reply));
        CHECK(status == KP_ERR_NOT_FOUND || status == KP_ERR_INVALID_ARGUMENT);
        status = RAW(channel_reply, hostile_control, kp_mem(&reply));
        CHECK(status == KP_ERR_NOT_FOUND || status == KP_ERR_INVALID_ARGUMENT);
    }
    return 0;
}

/* Calls on a channel whose other end it holds: nobody can answer, so time runs out, not the kernel. */
int abuse_call_to_oneself(void)
{
    kp_handle_t ends[2];
    char bytes[64] = {0};
    CHECK(kp_channel_create(ends) == KP_OK);
    for (int i = 0; i < 50; i++) {
        kp_channel_call_t call = {
            .request = {.bytes = (uint32_t)kp_mem(bytes), .byte_count = 64},
            .reply = {.bytes = (uint32_t)kp_mem(bytes), .byte_count = 64},
        };
        int64_t status =
            RAW(channel_call, ends[0], kp_mem(&call), (uint64_t)(kp_now() + KP_NS_PER_MS));
        CHECK(status == KP_ERR_TIMED_OUT);
        kp_channel_message_t message = {.bytes = (uint32_t)kp_mem(bytes), .byte_count = 64};
        CHECK(RAW(channel_receive, ends[1], kp_mem(&message), 0) == KP_OK);
        CHECK(message.byte_count == 64 && message.transaction != 0);
        message.byte_count = 8;
        CHECK(RAW(channel_reply, ends[1], kp_mem(&message)) == KP_ERR_NOT_FOUND);
    }
    return 0;
}

/* Waits for an answer that never comes. */
int abuse_call_without_answer(void)
{
    char bytes[64] = {0};
    kp_handle_t ends[2];
    CHECK(kp_channel_create(ends) == KP_OK);
    kp_channel_call_t call = {
        .request = {.bytes = (uint32_t)kp_mem(bytes), .byte_count = 64},
        .reply = {.bytes = (uint32_t)kp_mem(bytes), .byte_count = 64},
    };
    return (int)RAW(channel_call, ends[0], kp_mem(&call), (uint64_t)KP_TIME_INFINITE);
}
