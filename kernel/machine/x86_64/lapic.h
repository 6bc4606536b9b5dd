/* The local APIC (x2APIC when there is one) and its timer, and the clock. */
#ifndef KP_X86_LAPIC_H
#define KP_X86_LAPIC_H

#include "kernel/base/base.h"

/* Needs the final page tables. Starts measuring the timer's rate. */
void kp_x86_lapic_init(void);
/* The same of another CPU, later. */
void kp_x86_lapic_init_cpu(void);
uint32_t kp_x86_lapic_id(void);

/* Interrupts to other CPUs, by LAPIC id. Interrupts off or a thread that may be interrupted. */
void kp_x86_lapic_send(uint32_t id, uint8_t vector);
void kp_x86_lapic_send_init(uint32_t id);
void kp_x86_lapic_send_start(uint32_t id, uint8_t page);
void kp_x86_lapic_send_nmi_to_others(void);

void kp_x86_lapic_acknowledge(void);
/* One interrupt at or soon after the deadline (kp_machine_now's clock); KP_TIME_INFINITE: none. It
   may come early: the receiver looks at the clock. Interrupts off. */
void kp_x86_timer_arm(kp_time_t deadline);

/* The clock: begin first thing at boot (it starts a reference counter), calibrate once
   kp_x86_lapic_init has run and a few milliseconds of other work were done; it waits only for what
   is missing. */
void kp_x86_clock_begin(void);
void kp_x86_clock_calibrate(void);
/* A kernel thread's work, once threads run: measures the rate again over 45 ms, so that time does
   not drift by what the short measurement at boot missed. */
void kp_x86_clock_refine(void *argument);
/* Counts of the time stamp counter per second; 0 before calibration. */
uint64_t kp_x86_tsc_frequency(void);
/* The counters of two CPUs differ by that many counts: from now on kp_machine_now keeps itself from
   going back, at the cost of a shared word. */
void kp_x86_clock_set_unsynchronised(uint64_t counts);
/* How the rate was found, for the log. */
const char *kp_x86_clock_source(void);
/* For kp_x86_clock_calibrate: the timer's rate is known from now on. */
void kp_x86_lapic_calibrate(void);

#endif
