/* The hostile process, and the witness that answers the driver while it works. The driver's first message on
   the control channel says which part to play. */
#include <string.h>

#include "runtime/program/message.h"
#include "runtime/program/startup.h"
#include "tests/hostile/hostile.h"

static const struct {
    const char *name;
    int (*run)(void);
} abuses[] = {
#define ABUSE(name, end) {#name, abuse_##name},
#include "tests/hostile/abuses.def"
#undef ABUSE
};

kp_handle_t hostile_control, hostile_service;

uint64_t hostile_memory_size(void)
{
    return (uint64_t)__builtin_wasm_memory_size(0) * KP_WASM_PAGE_SIZE;
}

static uint64_t state; /* of hostile_random */

void hostile_random_again(void)
{
    state = 0;
}

uint32_t hostile_random(void)
{
    while (state == 0)
        (void)kp_random_get(&state, sizeof(state));
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

kp_handle_t hostile_given[16]; /* came with the last message */
static size_t given_count;

/* Reads the next message, waiting for it; its length, or a status. */
static int64_t receive(char *bytes, size_t capacity)
{
    uint32_t actual[2];
    for (;;) {
        kp_status_t status =
            kp_channel_read(hostile_control, bytes, capacity, hostile_given,
                            sizeof(hostile_given) / sizeof(hostile_given[0]), actual);
        if (status == KP_OK) {
            given_count = actual[1];
            return actual[0];
        }
        if (status != KP_ERR_SHOULD_WAIT)
            return status;
        status = kp_object_wait_one(hostile_control, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                                    KP_TIME_INFINITE, NULL);
        if (status != KP_OK)
            return status;
    }
}

/* Answers every message by itself, and keeps something to lose: a page of memory that must not change. */
static int witness(void)
{
    static uint32_t secret[1024];
    char message[256];
    for (uint32_t i = 0; i < 1024; i++)
        secret[i] = i * 2654435761u;
    for (;;) {
        int64_t length = receive(message, sizeof(message));
        if (length == KP_ERR_PEER_CLOSED)
            return 0;
        CHECK(length > 0);
        for (uint32_t i = 0; i < 1024; i++)
            CHECK(secret[i] == i * 2654435761u);
        CHECK(kp_channel_write(hostile_control, message, (size_t)length, NULL, 0) == KP_OK);
    }
}

int main(void)
{
    char role[64];
    hostile_control = kp_startup_take("control");
    int64_t length = hostile_control ? receive(role, sizeof(role) - 1) : KP_ERR_NOT_FOUND;
    if (length < 0)
        return 1;
    role[length] = 0;
    if (strcmp(role, "witness") == 0)
        return witness();
    if (strcmp(role, "fuzz") == 0)
        return hostile_fuzz(hostile_given, given_count);
    if (strcmp(role, "freeze") == 0)
        return hostile_freeze();
    if (strncmp(role, "silent_", 7) == 0)
        return hostile_silent(role);
    hostile_service = given_count ? hostile_given[0] : KP_HANDLE_NONE;
    for (size_t i = 0; i < sizeof(abuses) / sizeof(abuses[0]); i++) {
        if (strcmp(role, abuses[i].name) == 0)
            return abuses[i].run();
    }
    return 2;
}
