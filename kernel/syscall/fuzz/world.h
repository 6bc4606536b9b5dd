/* A few hostile processes with a handle to every kind of object and channels to each other, on the test
   machine: what the calls fuzzer and the long random run play with. */
#ifndef KP_KERNEL_FUZZ_WORLD_H
#define KP_KERNEL_FUZZ_WORLD_H

#include "kernel/syscall/fuzz/generate.h"
#include "kernel/test/objects.h"

#define KP_WORLD_PLAYERS 3u

typedef struct kp_world_player {
    kp_process_t *process;
    kp_thread_t
        *thread;    /* MATES: its own, of the process; both referenced; NULL: it has none now */
    bool is_beside; /* the process is the first player's */
    kp_generate_t generate;
    uint64_t restarts;
} kp_world_player_t;

typedef struct kp_world {
    kp_world_player_t players[KP_WORLD_PLAYERS];
    uint64_t objects, allocations; /* as they were before */
    bool is_mates;
    kp_process_t *shared;  /* MATES: whose threads they are */
    kp_generate_t started; /* MATES: the handles that the process began with */
} kp_world_t;

/* How the players stand to each other. */
typedef enum kp_world_mode {
    KP_WORLD_TURNS,   /* all calls come from one thread: nobody would wake it, so nothing waits */
    KP_WORLD_THREADS, /* a process and a thread each */
    KP_WORLD_CROWD,   /* threads of one process, which nobody ends */
    KP_WORLD_MATES, /* the same, as programs have them: they end, kill and suspend their process, change
                         its memory under each other's calls, and begin anew */
} kp_world_mode_t;

void kp_world_begin(kp_world_t *world, kp_world_mode_t mode);
/* One call of a player; one that has ended starts again. Calls for different players may come from
   different threads. */
int64_t kp_world_call(kp_world_t *world, unsigned player);
/* Lets suspended players go on: only a call of another could. */
void kp_world_resume(kp_world_t *world);
/* Ends all. False, and a line on standard error: something was not given back. */
bool kp_world_end(kp_world_t *world);

#endif
