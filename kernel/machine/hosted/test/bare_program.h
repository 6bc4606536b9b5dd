/* A test's program without a library: entry, calls, the end. What runtime/image/image.h says is all it has.
   Its function `start` sets machine_call and linear_memory first. One source file includes this. */
#ifndef KP_HOSTED_TEST_BARE_PROGRAM_H
#define KP_HOSTED_TEST_BARE_PROGRAM_H

#include "abi/calls.h"
#include "abi/image.h"
#include "runtime/image/image.h"

__asm__(".section .text.kp_image_start, \"ax\", @progbits\n"
        ".globl kp_image_start\n"
        ".hidden kp_image_start\n"
        "kp_image_start:\n"
        "    xorl %ebp, %ebp\n"
        "    call start\n"
        "    ud2\n"
        ".text\n");

static uint8_t *linear_memory;
static kp_image_call_fn machine_call;

static inline int64_t call(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                           uint64_t e)
{
    const uint64_t arguments[6] = {a, b, c, d, e};
    return machine_call(number, arguments);
}

/* As calls want pointers. */
static inline uint64_t at(const volatile void *bytes)
{
    return (uint64_t)((const volatile uint8_t *)bytes - linear_memory);
}

static inline void finish(int64_t code)
{
    call(KP_CALL_process_exit, (uint64_t)code, 0, 0, 0, 0);
}

#define CHECK(condition)      \
    do {                      \
        if (!(condition))     \
            finish(__LINE__); \
    } while (0)

#endif
