/* Inside a KPIO process: channel calls that go by lanes (lane.h) instead of through the kernel.
   Anything unusual about a call is left to the kernel, which has the right error for it. */
#ifndef KP_HOSTED_SANDBOX_LANE_H
#define KP_HOSTED_SANDBOX_LANE_H

#include "kernel/machine/hosted/lane_side.h"

#define KP_SANDBOX_LANES_SIZE (KP_LANE_SLOTS * KP_LANE_SIZE)

/* area: KP_SANDBOX_LANES_SIZE bytes of address space, where lanes are mapped. */
void kp_sandbox_lanes_init(kp_call_page_t *page, const kp_orders_t *told, uint8_t *memory,
                           uint8_t *area);
/* The lane of KP_PAGE_ACTION_LANE is mapped, slot KP_LANE_SIZE after slot. False: nonsense. */
bool kp_sandbox_lane_open(const kp_call_page_t *page);

/* Before a call. True: it is done, *result. False: make the call (changed or not) in the kernel. */
bool kp_sandbox_lane_try(uint32_t *number, uint64_t arguments[6], int64_t *result);
/* The kernel answered a receive by KP_PAGE_LANE: goes on here. As above. */
bool kp_sandbox_lane_stand(uint32_t *number, uint64_t arguments[6], int64_t *result);

#endif
