/* A server of a registered service that never answers: some clients it has accepted and heard, some it has accepted only,
   some not even that. They give up in time, are killed while they wait, or wait until it dies; who was not accepted by then
   is answered by the next server. Nothing of it stays. */
#include "abi/job.h"
#include "tests/hostile/hostile.h"
#include "tests/kp_child.h"

enum { ACCEPTED = 4, ASKS = 3 };
enum { JOB = 0, CODE = 1, SERVICE = 2 }; /* in hostile_given */

/* A guard against hanging, no measure. */
#define LIMIT (600 * KP_NS_PER_S)

static kp_status_t say(kp_handle_t control, char what)
{
    return kp_channel_write(control, &what, 1, NULL, 0);
}

static char hear(kp_handle_t control)
{
    char what = 0;
    uint32_t actual[2];
    kp_status_t status = kp_object_wait_one(control, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                                            kp_now() + LIMIT, NULL);
    if (status == KP_OK)
        status = kp_channel_read(control, &what, 1, NULL, 0, actual);
    return status == KP_OK && actual[0] == 1 ? what : 0;
}

/* ---- Servers ---- */

static kp_handle_t service_register(void)
{
    int64_t requests;
    /* The one before may be on its last instructions. */
    while ((requests = kp_service_register(hostile_given[0])) == KP_ERR_ALREADY_EXISTS)
        (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
    return requests > 0 ? (kp_handle_t)requests : KP_HANDLE_NONE;
}

/* The next connection; NONE: there is none now. */
static kp_handle_t accept(kp_handle_t requests)
{
    uint8_t bytes[64];
    kp_handle_t connection = KP_HANDLE_NONE;
    uint32_t actual[2];
    kp_status_t status = kp_channel_read(requests, bytes, sizeof(bytes), &connection, 1, actual);
    return status == KP_OK ? connection : KP_HANDLE_NONE;
}

/* A call of a client; its transaction, or 0: there was none. */
static kp_transaction_t call_receive(kp_handle_t connection, kp_time_t deadline)
{
    char bytes[16];
    kp_channel_message_t room = {.bytes = (uint32_t)kp_mem(bytes), .byte_count = sizeof(bytes)};
    kp_status_t status = kp_channel_receive(connection, &room, deadline);
    return status == KP_OK ? room.transaction : KP_TRANSACTION_NONE;
}

static int silent_server(void)
{
    kp_handle_t requests = service_register(), connection;
    CHECK(requests && say(hostile_control, 'r') == KP_OK);
    for (int i = 0; i < ACCEPTED; i++) {
        CHECK(kp_object_wait_one(requests, KP_SIGNAL_READABLE, kp_now() + LIMIT, NULL) == KP_OK);
        connection = accept(requests);
        CHECK(connection);
        if (i % 2 == 0)
            CHECK(call_receive(connection, kp_now() + LIMIT));
        CHECK(say(hostile_control, 'a') == KP_OK);
    }
    return (int)kp_object_wait_many(NULL, 0, KP_TIME_INFINITE);
}

/* Answers what was asked of the one before, until it is told to stop; then nothing is left of that. */
static int answering_server(void)
{
    kp_handle_t requests = service_register(), connection;
    CHECK(requests && say(hostile_control, 'r') == KP_OK && hear(hostile_control) == 'x');
    while ((connection = accept(requests)) != KP_HANDLE_NONE) {
        char answer = 'A';
        kp_channel_message_t reply = {.bytes = (uint32_t)kp_mem(&answer), .byte_count = 1};
        reply.transaction = call_receive(connection, KP_TIME_POLL);
        if (reply.transaction) /* perhaps nobody waits for it any more */
            (void)kp_channel_reply(connection, &reply);
        CHECK(kp_handle_close(connection) == KP_OK);
    }
    return 0;
}

/* ---- Clients ---- */

static int64_t ask(kp_handle_t connection, kp_time_t deadline, char *answer)
{
    char bytes[8] = "asked";
    kp_channel_call_t call = {
        .request = {.bytes = (uint32_t)kp_mem(bytes), .byte_count = sizeof(bytes)},
        .reply = {.bytes = (uint32_t)kp_mem(answer), .byte_count = 1},
    };
    return kp_channel_call(connection, &call, deadline);
}

static int asker(void)
{
    char answer;
    int64_t connection = kp_service_connect(hostile_given[0]);
    CHECK(connection > 0);
    for (int i = 0; i < ASKS; i++)
        CHECK(ask((kp_handle_t)connection, kp_now() + 5 * KP_NS_PER_MS, &answer) ==
              KP_ERR_TIMED_OUT);
    return 0;
}

/* Waits for ever: for an answer, or for the end of who should give it. */
static int waiter(bool is_answered)
{
    char answer = 0;
    int64_t connection = kp_service_connect(hostile_given[0]);
    CHECK(connection > 0 && say(hostile_control, 'w') == KP_OK);
    int64_t status = ask((kp_handle_t)connection, KP_TIME_INFINITE, &answer);
    if (is_answered)
        CHECK(status == KP_OK && answer == 'A');
    else
        CHECK(status == KP_ERR_PEER_CLOSED);
    return 0;
}

int hostile_silent(const char *role)
{
    if (strcmp(role, "silent_server") == 0)
        return silent_server();
    if (strcmp(role, "silent_next") == 0)
        return answering_server();
    if (strcmp(role, "silent_asker") == 0)
        return asker();
    return waiter(strcmp(role, "silent_answered") == 0);
}

/* ---- Who makes all of them ---- */

static kp_child_t start(const char *role, kp_rights_t right)
{
    kp_child_t child = {0};
    int64_t service = kp_handle_duplicate(hostile_given[SERVICE], KP_RIGHT_TRANSFER | right);
    kp_handle_t moved = (kp_handle_t)service;
    if (service > 0)
        (void)kp_child_start(hostile_given[JOB], hostile_given[CODE], role, &moved, 1, &child);
    return child;
}

/* One that waits for ever, once its call is on its way. */
static kp_child_t start_waiter(const char *role)
{
    kp_child_t child = start(role, KP_RIGHT_CONNECT);
    kp_process_info_t info = {0};
    kp_time_t limit = kp_now() + LIMIT;
    if (!child.process || hear(child.control) != 'w')
        return (kp_child_t){0};
    while (kp_process_info(child.process, &info) == KP_OK && info.messages_sent < 2) {
        (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
        if (kp_now() > limit)
            return (kp_child_t){0};
    }
    return child;
}

static bool kill_one(kp_child_t *child)
{
    return kp_process_kill(child->process) == KP_OK &&
           kp_child_finish(child, KP_EXIT_KILLED, 0, kp_now() + LIMIT);
}

static bool ends_well(kp_child_t *child)
{
    return kp_child_finish(child, KP_EXIT_NORMAL, 0, kp_now() + LIMIT);
}

static bool nothing_used(void)
{
    kp_job_info_t info = {0};
    kp_time_t limit = kp_now() + LIMIT;
    while (kp_job_info(hostile_given[JOB], &info) == KP_OK && kp_now() < limit) {
        if (info.used.processes == 0 && info.used.objects == 0 && info.used.handles == 0)
            return true;
        (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
    }
    return false;
}

int abuse_spawn_silent_server(void)
{
    kp_child_t waiters[ACCEPTED - 1], child;
    CHECK(hostile_given[SERVICE]);
    kp_child_t server = start("silent_server", KP_RIGHT_SERVE);
    CHECK(server.process && hear(server.control) == 'r');
    for (int i = 0; i < ACCEPTED - 1; i++) {
        waiters[i] = start_waiter("silent_waiter");
        CHECK(waiters[i].process && hear(server.control) == 'a');
    }
    child = start("silent_asker", KP_RIGHT_CONNECT);
    CHECK(child.process && hear(server.control) == 'a' && ends_well(&child));
    /* From here on nobody is accepted. */
    child = start("silent_asker", KP_RIGHT_CONNECT);
    CHECK(child.process && ends_well(&child));
    child = start_waiter("silent_waiter");
    CHECK(child.process && kill_one(&child));
    kp_child_t answered = start_waiter("silent_answered");
    CHECK(answered.process);
    /* One that was heard and one that was not are killed while they wait; the third outlives the server. */
    CHECK(kill_one(&waiters[0]) && kill_one(&waiters[1]));
    CHECK(kp_object_wait_one(waiters[2].process, KP_SIGNAL_TERMINATED, KP_TIME_POLL, NULL) ==
          KP_ERR_TIMED_OUT);
    CHECK(kill_one(&server));
    CHECK(ends_well(&waiters[2]));
    CHECK(kp_object_wait_one(answered.process, KP_SIGNAL_TERMINATED, KP_TIME_POLL, NULL) ==
          KP_ERR_TIMED_OUT);
    child = start("silent_next", KP_RIGHT_SERVE);
    CHECK(child.process && hear(child.control) == 'r' && say(child.control, 'x') == KP_OK);
    CHECK(ends_well(&answered) && ends_well(&child));
    CHECK(nothing_used());
    return 0;
}
