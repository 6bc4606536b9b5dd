/* Between thread.c, process.c and mapping.c. */
#ifndef KP_KERNEL_PROCESS_PRIVATE_H
#define KP_KERNEL_PROCESS_PRIVATE_H

#include "kernel/object/process.h"

/* Copies at most size - 1 bytes; the rest of `to` is zero. */
void kp_name_copy(char *to, size_t size, const char *from);

/* A thread with one reference, which kp_thread_ended drops; it holds a reference to the process. */
kp_thread_t *kp_thread_alloc(const char *name, kp_process_t *process);

/* The process's thread has left the machine. */
void kp_process_thread_gone(kp_process_t *process, kp_thread_t *thread);

/* Drops the references of all mappings, after the space was destroyed. */
void kp_mapping_clear(kp_process_t *process);

#endif
