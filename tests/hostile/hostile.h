/* One process per abuse: what the abuses share. Each is a function that returns 0, or the line of the check
   that failed: it looks at every answer of the kernel itself, and the driver looks at what became of everybody
   else (driver.c). */
#ifndef KP_TESTS_HOSTILE_H
#define KP_TESTS_HOSTILE_H

#include "tests/kp_check.h"

/* The status of a call by number with raw arguments. */
#define RAW(name, ...) raw_call(KP_CALL_##name, (uint64_t[6]){__VA_ARGS__})
static inline int64_t raw_call(uint32_t number, const uint64_t a[6])
{
    return kp_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The channel to the driver. */
extern kp_handle_t hostile_control;
/* svc:compiler, for abuses whose names begin with code_. */
extern kp_handle_t hostile_service;
/* What the driver gave with the role: to abuses whose names begin with spawn_ a job, code to make processes of, and a
   service to serve and connect to. */
extern kp_handle_t hostile_given[16];
/* The size of linear memory now, in bytes. */
uint64_t hostile_memory_size(void);
/* A cheap generator, different in each process. */
uint32_t hostile_random(void);
/* With a new seed, in a clone. */
void hostile_random_again(void);
/* Is this one of the two answers that stop a flood? */
static inline bool is_limit(int64_t status)
{
    return status == KP_ERR_QUOTA || status == KP_ERR_NO_MEMORY;
}

/* Calls by the descriptors of abi/calls.def for ever, with the handles given and those it makes (fuzz.c). */
int hostile_fuzz(const kp_handle_t *given, size_t count);
/* The parts of silent.c, whose names begin with silent_. */
int hostile_silent(const char *role);
/* Becomes a snapshot whose clones do so. */
int hostile_freeze(void);

#define ABUSE(name, end) int abuse_##name(void);
#include "tests/hostile/abuses.def"
#undef ABUSE

#endif
