/* Builds a process's startup message (abi/startup.h) and starts the process with it. */
#ifndef KP_KERNEL_STARTUP_H
#define KP_KERNEL_STARTUP_H

#include "abi/startup.h"
#include "kernel/object/process.h"

typedef struct kp_startup {
    kp_capability_t capabilities[KP_CHANNEL_HANDLES_MAX];
    uint32_t capability_count;
    uint32_t argument_count;
    size_t arguments_size; /* bytes of strings, NULs included */
    size_t names_size;
    size_t text_capacity;
    char *arguments; /* both allocated */
    char *names;
    kp_status_t status;      /* the first error; later calls do nothing */
    kp_snapshot_t *snapshot; /* borrowed; set: the process continues from there, and has no image */
} kp_startup_t;

/* Errors are collected: check once, in kp_startup_launch. */
void kp_startup_init(kp_startup_t *startup);
/* Closes capabilities that were not sent. */
void kp_startup_clear(kp_startup_t *startup);
void kp_startup_argument(kp_startup_t *startup, const char *text);
/* Grants a capability by name (takes it). An empty capability is ERR_NO_MEMORY. */
void kp_startup_grant(kp_startup_t *startup, const char *name, kp_capability_t capability);

/* Creates the process in the job (kp_process_options_t says what `ended` is) with this message waiting in its
   startup channel. Clears startup in any case. *out: one reference. */
kp_status_t kp_startup_launch(kp_startup_t *startup, const char *name, const kp_image_t *image,
                              kp_job_t *job, void (*ended)(kp_process_t *process),
                              kp_process_t **out);

#endif
