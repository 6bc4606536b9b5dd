/* Random system calls, many of them: build/test/kernel_random_calls [--calls N] [--seed S] [--rounds R].
   Rounds of some thousand calls: of several processes by turns, where allocations fail now and then; of
   several processes with a thread each; of several threads of one process, also such as end it and begin anew. After a round nothing may be
   left. Rounds run in child processes, so that a finding (a sanitizer's report, a failed check, a leak,
   a hang) is counted and the run goes on. The same seed makes the same calls where players take turns;
   threads race. A finding names its seed: --seed S --rounds 1 repeats it. The last line says how many
   calls were made and how many findings. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/syscall/fuzz/world.h"

#define ROUND_CALLS 3000u
#define ROUNDS_PER_CHILD 20u
#define CHILD_SECONDS 3000u

typedef struct totals {
    uint64_t calls;
    uint64_t seed; /* of the round in progress */
    uint64_t made[KP_GENERATE_CALLS], succeeded[KP_GENERATE_CALLS];
} totals_t;

static totals_t *totals; /* shared with the children */

static void add_up(const kp_world_t *world)
{
    for (unsigned i = 0; i < KP_WORLD_PLAYERS; i++) {
        for (size_t c = 0; c < KP_GENERATE_CALLS; c++) {
            totals->calls += world->players[i].generate.made[c];
            totals->made[c] += world->players[i].generate.made[c];
            totals->succeeded[c] += world->players[i].generate.succeeded[c];
        }
    }
}

static void round_alone(kp_world_t *world, kp_generate_t *dice)
{
    for (unsigned i = 0; i < ROUND_CALLS; i++) {
        if (kp_generate_pick(dice, 4) == 0)
            kp_test_fail_allocation(1 + kp_generate_pick(dice, 12));
        (void)kp_world_call(world, kp_generate_pick(dice, KP_WORLD_PLAYERS));
        kp_test_fail_allocation(0);
        kp_world_resume(world);
    }
}

typedef struct role {
    kp_world_t *world;
    unsigned player;
    pthread_t id;
    atomic_bool done;
} role_t;

static void *play(void *argument)
{
    role_t *role = argument;
    kp_test_attach("player");
    for (unsigned i = 0; i < ROUND_CALLS / KP_WORLD_PLAYERS; i++)
        (void)kp_world_call(role->world, role->player);
    kp_test_detach();
    atomic_store(&role->done, true);
    return NULL;
}

static void round_together(kp_world_t *world)
{
    role_t roles[KP_WORLD_PLAYERS];
    for (unsigned i = 0; i < KP_WORLD_PLAYERS; i++) {
        roles[i].world = world;
        roles[i].player = i;
        atomic_init(&roles[i].done, false);
        if (pthread_create(&roles[i].id, NULL, play, &roles[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < KP_WORLD_PLAYERS; i++) {
        while (!atomic_load(&roles[i].done)) {
            kp_world_resume(world);
            usleep(500);
        }
        pthread_join(roles[i].id, NULL);
    }
}

/* False: something was left. */
static bool run_round(uint64_t seed)
{
    static kp_world_t world;
    totals->seed = seed;
    kp_generate_t dice = {.seed = seed};
    static const kp_world_mode_t modes[] = {KP_WORLD_TURNS,   KP_WORLD_TURNS,  KP_WORLD_MATES,
                                            KP_WORLD_THREADS, KP_WORLD_TURNS,  KP_WORLD_MATES,
                                            KP_WORLD_CROWD,   KP_WORLD_THREADS};
    kp_world_mode_t mode = modes[seed % 8];
    kp_world_begin(&world, mode);
    for (unsigned i = 0; i < KP_WORLD_PLAYERS; i++)
        world.players[i].generate.seed = seed * 7919 + i;
    if (mode != KP_WORLD_TURNS)
        round_together(&world);
    else
        round_alone(&world, &dice);
    bool clean = kp_world_end(&world);
    add_up(&world);
    return clean;
}

static _Noreturn void child(uint64_t seed, uint64_t rounds)
{
    alarm(CHILD_SECONDS);
    kp_test_attach("random");
    for (uint64_t i = 0; i < rounds; i++) {
        if (!run_round(seed + i))
            abort();
    }
    _exit(0);
}

static uint64_t number_option(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return strtoull(argv[i + 1], NULL, 0);
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    uint64_t calls = number_option(argc, argv, "--calls", 60000);
    uint64_t seed = number_option(argc, argv, "--seed", 1);
    uint64_t rounds = number_option(argc, argv, "--rounds", UINT64_MAX);
    time_t start = time(NULL), last = start;
    unsigned findings = 0;
    totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED)
        return 2;
    while (totals->calls < calls && rounds > 0 && findings < 100) {
        uint64_t batch = KP_MIN(rounds, ROUNDS_PER_CHILD);
        uint64_t needed = (calls - totals->calls + ROUND_CALLS - 1) / ROUND_CALLS;
        batch = KP_MIN(batch, needed);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            child(seed, batch);
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            return 2;
        uint64_t done = batch;
        if (status != 0) {
            findings++;
            done = totals->seed - seed + 1;
            totals->calls += ROUND_CALLS; /* about as many */
            printf("# finding: %s %d: --seed %llu --rounds 1\n",
                   WIFSIGNALED(status) ? "signal" : "exit",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                   (unsigned long long)totals->seed);
        }
        seed += done;
        rounds -= KP_MIN(rounds, done);
        if (time(NULL) - last >= 10) {
            last = time(NULL);
            printf("# %llu calls, %u findings, %lld s\n", (unsigned long long)totals->calls,
                   findings, (long long)(last - start));
        }
    }
    bool all = true;
    for (size_t c = 0; c < KP_GENERATE_CALLS; c++) {
        bool ends = kp_call_table[c].result == KP_RESULT_NEVER;
        if (totals->succeeded[c] == 0 && !ends && calls >= 50000 && rounds > 1000) {
            printf("# %s never succeeded in %llu calls\n", kp_call_table[c].name,
                   (unsigned long long)totals->made[c]);
            /* Made often in a long run, and only ever refused: then the fuzzer does not reach it. */
            bool is_often = calls >= 1000000 && totals->made[c] >= 1000;
            all = all && totals->made[c] > 0 && !is_often;
        }
    }
    printf("%s random_calls\n", findings == 0 && all ? "ok" : "not ok");
    printf("# %llu calls, %u findings, %lld s\n", (unsigned long long)totals->calls, findings,
           (long long)(time(NULL) - start));
    return findings != 0 || !all;
}
