/* Programs that are several processes: what main.c and the tests share. One program plays all parts; the driver is the
   "shell" of a boot archive, the others are its children. Tests and roles return 0, or the line of the check that failed. */
#ifndef KP_TESTS_PROCESSES_H
#define KP_TESTS_PROCESSES_H

#include "tests/kp_check.h"
#include "tests/kp_child.h"

/* A guard against hanging, no measure. */
#define PATIENCE (600 * KP_NS_PER_S)

/* ---- The driver's ---- */
/* A job of its own, the code of this program, a directory (KP_FILE_RIGHTS_ALL). */
extern kp_handle_t driver_job, driver_code, driver_directory;
/* The number of an argument "NAME=NUMBER", or 0. */
unsigned driver_number(const char *name);
/* A child of that job with a band; 0: none. */
kp_handle_t driver_job_create(uint32_t band);
void driver_pause(void);

/* ---- A child's ---- */
extern kp_handle_t child_control;
extern kp_handle_t child_given[8]; /* came with its role, or with what it heard last */
/* One byte to the other end of a control channel, and one from there: 0: it is closed, or something else came. */
kp_status_t control_say(kp_handle_t control, char what);
char control_hear(kp_handle_t control);

int test_inheritance(void);
int role_lock_server(unsigned depth);
int role_ask(void);
int role_spin(void);

int test_statistics(void);
int role_statistics(void);

int test_files(void);
int role_file_server(void);
int role_file_client(void);

#endif
