/* Processes that do not end, end badly, or want to be many. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/job.h"
#include "tests/hostile/hostile.h"

static volatile int zero;

int abuse_spin(void)
{
    for (volatile uint64_t i = 0;; i++) {
    }
}

int abuse_spin_in_calls(void)
{
    for (;;)
        (void)RAW(null, 0);
}

int abuse_log_flood(void)
{
    static char line[1024];
    for (size_t i = 0; i < sizeof(line); i++)
        line[i] = (char)('a' + i % 26);
    for (;;)
        (void)kp_debug_log(line, sizeof(line));
}

/* It has no job and no code; guesses do not help. */
int abuse_fork_bomb(void)
{
    kp_process_create_t create = {.name = "bomb"};
    for (uint32_t i = 0; i < 2000; i++) {
        create.code = i;
        CHECK(RAW(process_create, i % 7 ? i : hostile_control, kp_mem(&create)) < 0);
        CHECK(RAW(process_clone, i, kp_mem(&create)) < 0);
    }
    return 0;
}

/* No array: those lie in linear memory, whose end is another trap. */
static int recurse(int depth)
{
    return zero ? depth : recurse(depth + 1) * 3 + depth;
}

int abuse_stack_overflow(void)
{
    return recurse(1);
}

int abuse_out_of_bounds(void)
{
    /* The last byte of the address space, far above linear memory. */
    return *(volatile uint8_t *)(uintptr_t)(UINT32_MAX - (uint32_t)zero);
}

int abuse_divide_by_zero(void)
{
    return (int)hostile_random() / zero;
}

int abuse_bad_indirect_call(void)
{
    int (*volatile right)(void) = abuse_spin;
    int (*wrong)(int, double, int64_t);
    void *pointer = (void *)(uintptr_t)right;
    memcpy(&wrong, &pointer, sizeof(wrong));
    return wrong(1, 2.0, 3);
}

int abuse_exit_in_the_middle(void)
{
    kp_handle_t ends[2];
    for (int i = 0; i < 10; i++) {
        CHECK(kp_channel_create(ends) == KP_OK);
        CHECK(kp_channel_write(ends[0], "half", 4, NULL, 0) == KP_OK);
    }
    kp_process_exit(0);
}
