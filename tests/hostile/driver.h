/* Between driver.c and storm.c. */
#ifndef KP_TESTS_HOSTILE_DRIVER_H
#define KP_TESTS_HOSTILE_DRIVER_H

#include "runtime/program/kp.h"

/* Guards against hanging, not measures. */
#define PATIENCE (600 * KP_NS_PER_S)
#define STEP (2 * KP_NS_PER_MS)

extern kp_handle_t driver_coordinator;
/* Its own job, and code to make processes of; 0: none (no spawn=tab). */
extern kp_handle_t driver_job, driver_code;

/* A small job for so many processes that somebody makes; 0: none. */
kp_handle_t driver_job_create(unsigned processes);

void driver_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A process of the hostile program that plays this role; the handles are moved to it on success. */
kp_status_t driver_role_start(const char *role, const kp_handle_t *handles, size_t count,
                              kp_tab_created_t *out);
void driver_role_close(kp_tab_created_t *role);
/* One question to the witness, whose answer must be the question; NULL, or what is wrong. */
const char *driver_witness_ask(void);
/* Fuzzers on all processors that talk with each other and are killed, suspended and revoked at random, until they
   have made `calls` system calls. NULL, or what went wrong. */
const char *driver_storm(uint64_t calls);

#endif
