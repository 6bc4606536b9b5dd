/* Between thread.c, process.c and mapping.c. */
#ifndef KP_KERNEL_PROCESS_PRIVATE_H
#define KP_KERNEL_PROCESS_PRIVATE_H

#include "kernel/object/process.h"

/* Copies at most size - 1 bytes; the rest of `to` is zero. */
void kp_name_copy(char *to, size_t size, const char *from);

/* A thread with one reference, which kp_thread_ended drops; it holds a reference to the process. */
kp_thread_t *kp_thread_alloc(const char *name, kp_process_t *process);

/* The thread has left the machine, and its slot. True: it was the process's last, and
   kp_process_threads_gone must follow. */
bool kp_process_thread_leave(kp_process_t *process, kp_thread_t *thread);
/* process.c: the last thread has left. */
void kp_process_threads_gone(kp_process_t *process);
/* Makes every thread leave: the process has got its exit reason, or is a snapshot. */
void kp_process_threads_kill(kp_process_t *process);
/* The thread in the slot, referenced; NULL: none. */
kp_thread_t *kp_process_thread_at(kp_process_t *process, uint32_t slot);
/* Tells the machine of every thread what is wanted now: suspended or not. */
void kp_process_suspension_tell(kp_process_t *process);
/* Processor time of the threads that live. The process's lock is held. */
uint64_t kp_process_threads_time(kp_process_t *process);

/* Drops the references of all mappings, after the space was destroyed. */
void kp_mapping_clear(kp_process_t *process);

#endif
