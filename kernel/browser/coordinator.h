/* The coordinator: makes tab processes and knows them. */
#ifndef KP_KERNEL_COORDINATOR_H
#define KP_KERNEL_COORDINATOR_H

#include "kernel/object/process.h"

#define KP_TABS_MAX 1024u /* alive at once */

/* A new tab process, with the capabilities that the boot table gives tabs. channel: the owner's end
   of its control channel (abi/tab.h); process: inspect, wait, manage. ERR_NOT_FOUND: the boot
   archive has no tab program; ERR_QUOTA: KP_TABS_MAX are alive. Any thread, also several at once.
 */
kp_status_t kp_coordinator_tab_create(kp_capability_t *channel, kp_capability_t *process);

/* What the tab is for from now on: KP_TAB_ROLE_* (abi/calls.h). ERR_NOT_FOUND: no living tab.
   ERR_INVALID_ARGUMENT. Any thread. */
kp_status_t kp_coordinator_tab_set_role(kp_process_t *process, uint32_t role);

/* Numbers for reports and tests. */
typedef struct kp_coordinator_counts {
    uint64_t made; /* tabs since boot */
    uint64_t alive;
    uint64_t failed; /* of those that ended: by trap, fault or for want of memory */
} kp_coordinator_counts_t;
kp_coordinator_counts_t kp_coordinator_counts(void);

/* The tab's process, by the number in its name ("tab-7"), referenced; NULL when it is not alive. */
kp_process_t *kp_coordinator_tab_find(uint64_t number);

/* Once, by kp_kernel_start. */
kp_status_t kp_coordinator_init(void);
/* Starts a tab that becomes a snapshot once it has mapped its fonts and parsed its style sheet; from then
   on tabs are its clones. Until it has, tab_create waits; when it does not, tabs start on their own,
   as without this. */
void kp_coordinator_prepare(void);
/* The object that tab_create and tab_set_role need a capability of; NULL before kp_kernel_start. */
kp_object_t *kp_coordinator_object(void);

#endif
