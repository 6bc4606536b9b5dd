/* What starts at boot, with which capabilities, and what happens when it ends. kernel/kernel.h has
   the public functions (kp_kernel_start, _run, _stop); boot.c implements them. */
#ifndef KP_KERNEL_BOOT_H
#define KP_KERNEL_BOOT_H

#include "kernel/init/startup.h"

#define KP_BOOT_MARK_MAX 32u

/* Logs "boot-mark NAME NANOSECONDS" (area "boot"). ERR_INVALID_ARGUMENT unless the name is made of
   letters, digits, '-', '_' and '.'. */
kp_status_t kp_boot_mark(const char *name);

/* A server registered: the mark "services" is set when all of the boot table have, once. */
void kp_boot_service_registered(const char *name);

/* Grants the capability to connect to (or serve, by right) a service as "svc:NAME". */
void kp_boot_grant_service(kp_startup_t *startup, const char *name, kp_rights_t right);
/* A job below the root for a program of `mebibytes` of memory: one reference. ERR_NO_MEMORY. */
kp_status_t kp_boot_job(uint32_t mebibytes, uint32_t band, kp_job_t **job);

#endif
