/* What the tests of timers and ports share: a process, whose calls they make, and packets in its memory. */
#ifndef KP_KERNEL_OBJECT_TEST_WAIT_H
#define KP_KERNEL_OBJECT_TEST_WAIT_H

#include "kernel/object/port.h"
#include "kernel/object/timer.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#define MS KP_NS_PER_MS
#define AT 0x1000u /* where packets are written */

static uint64_t objects_before, allocations_before;
static kp_process_t *process;

static inline bool set_up(void)
{
    kp_test_attach("test");
    kp_status_t status = kp_timers_start(); /* its thread stays */
    objects_before = kp_object_count(KP_TYPE_NONE);
    allocations_before = kp_test_allocations();
    process = kp_test_process(2, 2, NULL);
    return process && status == KP_OK;
}

static inline void tear_down(void)
{
    kp_test_process_end(process);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects_before);
    KP_EXPECT_INT(kp_test_allocations(), allocations_before);
}

static inline kp_handle_t make(int64_t result)
{
    KP_EXPECT(result > 0);
    return result > 0 ? (kp_handle_t)result : 0;
}
#define EVENT() make(kp_test_call(process, event_create, 0))
#define TIMER() make(kp_test_call(process, timer_create, 0))
#define PORT() make(kp_test_call(process, port_create, 0))
#define CALL(name, ...) kp_test_call(process, name, __VA_ARGS__)
#define SIGNAL(handle) KP_EXPECT_INT(CALL(object_signal, handle, 0, KP_SIGNAL_SIGNALED), KP_OK)
#define CLEAR(handle) KP_EXPECT_INT(CALL(object_signal, handle, KP_SIGNAL_SIGNALED, 0), KP_OK)

static inline kp_port_packet_t packet_at(unsigned index)
{
    kp_port_packet_t packet;
    memcpy(&packet, kp_test_memory(process, AT + index * sizeof(packet)), sizeof(packet));
    return packet;
}

static inline int64_t poll_port(kp_handle_t port, uint32_t capacity)
{
    return CALL(port_wait, port, AT, capacity, KP_TIME_POLL);
}

/* Expects exactly one packet. */
static inline void expect_packet(kp_handle_t port, uint64_t key, uint32_t kind,
                                 kp_signals_t observed)
{
    KP_EXPECT_INT(poll_port(port, 10), 1);
    kp_port_packet_t packet = packet_at(0);
    KP_EXPECT_INT(packet.key, key);
    KP_EXPECT_INT(packet.kind, kind);
    KP_EXPECT_INT(packet.observed, observed);
}

static inline void expect_nothing(kp_handle_t port)
{
    KP_EXPECT_INT(poll_port(port, 10), KP_ERR_TIMED_OUT);
}

static inline kp_signals_t signals_of(kp_handle_t handle)
{
    kp_signals_t now = 0;
    (void)CALL(object_wait_one, handle, UINT32_MAX, KP_TIME_POLL, 0x100);
    memcpy(&now, kp_test_memory(process, 0x100), sizeof(now));
    return now;
}

#endif
