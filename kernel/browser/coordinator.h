/* The coordinator: makes tab processes and knows them. */
#ifndef KP_KERNEL_COORDINATOR_H
#define KP_KERNEL_COORDINATOR_H

#include "kernel/object/process.h"

/* A new tab process, with the capabilities that the boot table gives tabs. channel: the owner's end
   of its control channel (abi/tab.h); process: inspect, wait, manage. ERR_NOT_FOUND: the boot
   archive has no tab program. */
kp_status_t kp_coordinator_tab_create(kp_capability_t *channel, kp_capability_t *process);
/* Once, by kp_kernel_start. */
kp_status_t kp_coordinator_init(void);
/* The object that tab_create needs a capability of; NULL before kp_kernel_start. */
kp_object_t *kp_coordinator_object(void);

#endif
