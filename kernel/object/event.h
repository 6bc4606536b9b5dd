/* An event: nothing but signals. */
#ifndef KP_KERNEL_EVENT_H
#define KP_KERNEL_EVENT_H

#include "kernel/object/object.h"

/* A capability with all rights of an event. */
kp_status_t kp_event_create(kp_capability_t *event);

#endif
