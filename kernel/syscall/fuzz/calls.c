/* System calls of hostile processes, over the test machine: any call with arguments of the declared kinds,
   or not. Afterwards nothing may be left. Each byte of the input decides something (generate.c); the first
   two: which allocation fails (0: none), and which player makes how many calls in a row. */
#include <stdlib.h>

#include "kernel/syscall/fuzz/world.h"

#define CALLS_MAX 400u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static kp_world_t world;
    kp_test_attach("fuzz");
    if (size < 2)
        return 0;
    kp_world_begin(&world, KP_WORLD_TURNS);
    for (unsigned i = 0; i < KP_WORLD_PLAYERS; i++) {
        world.players[i].generate.bytes = data;
        world.players[i].generate.byte_count = size;
    }
    kp_test_fail_allocation(data[0]);
    size_t at = 2;
    unsigned row = 1 + data[1] % 8;
    for (unsigned i = 0; i < CALLS_MAX && at < size; i++) {
        kp_generate_t *generate = &world.players[i / row % KP_WORLD_PLAYERS].generate;
        generate->byte_at = at;
        (void)kp_world_call(&world, i / row % KP_WORLD_PLAYERS);
        at = generate->byte_at;
        kp_world_resume(&world);
        if (kp_test_failed())
            kp_test_fail_allocation(0);
    }
    kp_test_fail_allocation(0);
    if (!kp_world_end(&world))
        abort();
    return 0;
}
