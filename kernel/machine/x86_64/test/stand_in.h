/* A stand-in for the kernel core: threads without objects, processes without handles. */
#ifndef KP_X86_STAND_IN_H
#define KP_X86_STAND_IN_H

#include "kernel/object/process.h"

/* System calls of the test programs. */
enum { KP_TEST_CALL_EXIT = 1, KP_TEST_CALL_SUM = 2, KP_TEST_CALL_PARK = 3 };

typedef struct kp_test_process {
    kp_process_t process;
    kp_thread_t thread;
    atomic_bool ended;
    atomic_bool held;     /* its space stays meanwhile, as a call that works on it makes sure of */
    kp_thread_t *waiting; /* unparked when it ends */
} kp_test_process_t;

/* Prints "ok NAME" or "not ok NAME". */
void kp_test_report(const char *name, bool good);
int kp_test_failures(void);
/* Waits until the process's thread is gone; false after a minute, a guard. */
bool kp_test_process_wait(kp_test_process_t *process);
/* Waits until all kernel threads that tests made are gone, with their memory. */
void kp_test_threads_settle(void);
/* user_test.c */
/* A process with an image of user.S, not started; *image stays until it has ended. */
bool kp_test_process_prepare(kp_test_process_t *test, kp_image_t *image, const uint8_t *entry);
void kp_test_user(void);
void kp_test_user_bench(void);
/* vmo_test.c */
void kp_test_vmo(void);
/* code_test.c */
void kp_test_code(void);
/* guest_test.c */
void kp_test_guest(void);
void kp_test_stress(unsigned rounds);
/* smp_test.c */
/* Waits until all CPUs run. */
void kp_test_smp_started(void);
void kp_test_smp(void);

#endif
