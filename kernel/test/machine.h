/* The test machine: the core's calls run for real inside one Linux process. A process's "program"
   is the test itself, which makes its calls with kp_test_call; linear memories and VMOs are real
   mappings, so that shared pages are shared. */
#ifndef KP_KERNEL_TEST_MACHINE_H
#define KP_KERNEL_TEST_MACHINE_H

#include "abi/calls.h"
#include "kernel/kernel.h"

/* The calling host thread becomes a kernel thread (once for each). */
void kp_test_attach(const char *name);
/* It is none any more. */
void kp_test_detach(void);
/* Waits until every kernel thread that the core started has ended. */
void kp_test_join(void);

/* Makes the n-th kp_kalloc from now fail (1: the next), once; 0: none. True from kp_test_failed
   when it has. */
void kp_test_fail_allocation(uint64_t n);
bool kp_test_failed(void);
/* Blocks from kp_kalloc that are not yet freed. */
uint64_t kp_test_allocations(void);

/* A process whose image has these sizes (64 KiB pages), in a job of its own with wide limits. NULL when
   it failed.
   startup may be NULL. Ends by kp_test_process_end (or by itself), freed by kp_object_release. */
kp_process_t *kp_test_process(uint32_t initial_pages, uint32_t maximum_pages,
                              kp_capability_t *startup);
kp_process_t *kp_test_process_limited(uint32_t initial_pages, uint32_t maximum_pages,
                                      const kp_job_limits_t *limits);
/* A process in this job. */
kp_process_t *kp_test_process_in(kp_job_t *job, uint32_t initial_pages, uint32_t maximum_pages,
                                 kp_capability_t *startup);
/* Test processes count as having several threads, for a test may call from any. From now on calls for
   this one come from one host thread at a time, as from a program with one thread. */
void kp_test_process_alone(kp_process_t *process);
/* Kills it, waits for its end, drops the reference. */
void kp_test_process_end(kp_process_t *process);

/* A thread of the process, the one in the lowest slot, referenced; NULL: none lives. */
kp_thread_t *kp_test_thread(kp_process_t *process);

/* A system call of the process's first living thread, from the calling host thread. KP_ERR_PROCESS_DEAD
   when the process has ended before. */
int64_t kp_test_call6(kp_process_t *process, uint32_t number, const uint64_t arguments[6]);
#define kp_test_call(process, name, ...) \
    kp_test_call6((process), KP_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
/* The same of this thread of a process, from one host thread at a time; the caller keeps it alive.
   Programs may make further threads, which do nothing but these calls. */
bool kp_test_call_enter(kp_thread_t *thread); /* false: it is dead; else leave must follow */
void kp_test_call_leave(kp_thread_t *thread);
int64_t kp_test_thread_call6(kp_thread_t *thread, uint32_t number, const uint64_t arguments[6]);
#define kp_test_thread_call(thread, name, ...) \
    kp_test_thread_call6((thread), KP_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
/* The same on the calling host thread's own kernel thread (kp_test_attach): as if it were another
   thread of the process, which the caller keeps alive. Killing the process does not reach it. */
int64_t kp_test_call6_beside(kp_process_t *process, uint32_t number, const uint64_t arguments[6]);
#define kp_test_call_beside(process, name, ...) \
    kp_test_call6_beside((process), KP_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
/* The process's linear memory at offset, as the program sees it. */
void *kp_test_memory(kp_process_t *process, uint32_t offset);

/* Writes a small valid image of one code and one data page into bytes (at least
   KP_TEST_IMAGE_SIZE); returns its size. */
#define KP_TEST_IMAGE_SIZE 16384u
size_t kp_test_image_build(uint8_t *bytes, uint32_t initial_pages, uint32_t maximum_pages);

/* Lines of the log that contain text, since the start; the last such line is copied if wanted. */
unsigned kp_test_log_count(const char *text);

/* Called by kp_machine_thread_start_user when set: a program for processes that the core starts. */
extern void (*kp_test_program)(kp_process_t *process);

#endif
