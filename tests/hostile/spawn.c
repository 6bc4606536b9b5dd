/* Who may make processes: the driver gave it a job and code (spawn=tab). What it makes must leave its job when nobody
   outside can name it any more. */
#include "abi/job.h"
#include "tests/hostile/hostile.h"

enum { ROUNDS = 40, RING = 6 };
enum { JOB = 0, CODE = 1 }; /* in hostile_given */

static kp_job_limits_t used(void)
{
    kp_job_info_t info = {0};
    (void)kp_job_info(hostile_given[JOB], &info);
    return info.used;
}

/* A process that is not started, and the other end of its startup channel. */
static kp_handle_t unstarted(kp_handle_t *sender)
{
    kp_process_create_t create = {.code = hostile_given[CODE], .name = "unstarted"};
    kp_handle_t ends[2];
    if (kp_channel_create(ends) != KP_OK)
        return KP_HANDLE_NONE;
    *sender = ends[0];
    create.startup = ends[1];
    int64_t process = kp_process_create(hostile_given[JOB], &create);
    if (process > 0)
        return (kp_handle_t)process;
    (void)kp_handle_close(ends[0]);
    (void)kp_handle_close(ends[1]);
    *sender = KP_HANDLE_NONE;
    return KP_HANDLE_NONE;
}

static kp_handle_t copy_of(kp_handle_t handle)
{
    int64_t copy = kp_handle_duplicate(handle, KP_RIGHTS_SAME);
    return copy > 0 ? (kp_handle_t)copy : KP_HANDLE_NONE;
}

/* One in its own startup channel, by whatever way. */
static int process_in_itself(void)
{
    kp_handle_t sender, ends[2], process = unstarted(&sender), copy = copy_of(process);
    CHECK(process && copy);
    CHECK(kp_channel_write(sender, NULL, 0, &process, 1) == KP_ERR_INVALID_ARGUMENT);
    CHECK(kp_channel_write(sender, NULL, 0, &copy, 1) == KP_ERR_INVALID_ARGUMENT);
    CHECK(kp_channel_create(ends) == KP_OK);
    CHECK(kp_channel_write(ends[0], NULL, 0, &copy, 1) == KP_OK);
    CHECK(kp_channel_write(sender, NULL, 0, &ends[1], 1) == KP_ERR_INVALID_ARGUMENT);
    CHECK(kp_handle_close(ends[1]) == KP_OK && kp_handle_close(ends[0]) == KP_OK);
    CHECK(kp_channel_create(ends) == KP_OK);
    CHECK(kp_channel_write(sender, NULL, 0, &ends[1], 1) == KP_OK);
    CHECK(kp_channel_write(ends[0], NULL, 0, &process, 1) == KP_ERR_INVALID_ARGUMENT);
    /* The other end of its own channel does not make it reachable. */
    CHECK(kp_channel_write(ends[0], NULL, 0, &sender, 1) == KP_OK);
    CHECK(kp_handle_close(process) == KP_OK);
    CHECK(kp_channel_write(ends[0], "x", 1, NULL, 0) == KP_ERR_PEER_CLOSED);
    return kp_handle_close(ends[0]) == KP_OK ? 0 : __LINE__;
}

/* Many, each in the startup channels of all the others, as far as that is allowed. */
static int processes_in_each_other(void)
{
    kp_handle_t process[RING], sender[RING];
    for (int i = 0; i < RING; i++) {
        process[i] = unstarted(&sender[i]);
        CHECK(process[i]);
    }
    for (int from = 0; from < RING; from++)
        for (int to = 0; to < RING; to++) {
            kp_handle_t copy = copy_of(process[from]);
            kp_status_t status = kp_channel_write(sender[to], NULL, 0, &copy, 1);
            CHECK(status == (from < to ? KP_OK : KP_ERR_INVALID_ARGUMENT));
            if (status != KP_OK)
                CHECK(kp_handle_close(copy) == KP_OK);
        }
    for (int i = 0; i < RING; i++)
        CHECK(kp_handle_close(process[i]) == KP_OK && kp_handle_close(sender[i]) == KP_OK);
    return 0;
}

/* Whatever random sends make of processes, channels and copies of handles. */
static int random_graph(void)
{
    kp_handle_t handles[16] = {0}, ends[2];
    for (int step = 0; step < 400; step++) {
        kp_handle_t *at = &handles[hostile_random() % 16], *other = &handles[hostile_random() % 16];
        switch (hostile_random() % 8) {
        case 0:
            if (!*at && !*other && at != other && kp_channel_create(ends) == KP_OK) {
                *at = ends[0];
                *other = ends[1];
            }
            break;
        case 1:
            if (!*at && !*other && at != other)
                *at = unstarted(other);
            break;
        case 2:
            if (*at && !*other)
                *other = copy_of(*at);
            break;
        case 3:
            if (*at && hostile_random() % 4 == 0) {
                CHECK(kp_handle_close(*at) == KP_OK);
                *at = KP_HANDLE_NONE;
            }
            break;
        default:
            if (*at && *other && kp_channel_write(*at, NULL, 0, other, 1) == KP_OK)
                *other = KP_HANDLE_NONE;
            break;
        }
    }
    for (int i = 0; i < 16; i++)
        if (handles[i])
            CHECK(kp_handle_close(handles[i]) == KP_OK);
    return 0;
}

int abuse_spawn_cycles(void)
{
    CHECK(used().processes == 0);
    for (int round = 0; round < ROUNDS; round++) {
        int line = process_in_itself();
        line = line ? line : processes_in_each_other();
        line = line ? line : random_graph();
        if (line)
            return line;
        CHECK(used().processes == 0 && used().objects == 0);
    }
    return 0;
}
