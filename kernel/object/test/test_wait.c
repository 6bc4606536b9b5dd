/* Timers, ports and waits of many. Under ThreadSanitizer too, for the thread of the timers
   (kernel/test/threads-tsan). */
#include "kernel/object/test/wait.h"

#include <stdlib.h>

/* ---- Timers ---- */

KP_TEST(timers_signal_from_their_deadline_on)
{
    KP_REQUIRE(set_up());
    kp_handle_t timer = TIMER();
    KP_EXPECT_INT(signals_of(timer), 0);
    kp_time_t deadline;
    kp_signals_t early;
    do { /* again, where the machine was busy elsewhere until then */
        deadline = kp_machine_now() + 5 * MS;
        KP_EXPECT_INT(CALL(timer_set, timer, deadline, 0), KP_OK);
        early = signals_of(timer);
    } while (kp_machine_now() >= deadline);
    KP_EXPECT_INT(early, 0);
    KP_EXPECT_INT(CALL(object_wait_one, timer, KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, 0), KP_OK);
    KP_EXPECT(kp_machine_now() >= deadline);
    KP_EXPECT_INT(signals_of(timer), KP_SIGNAL_SIGNALED);
    /* Set again: not SIGNALED until then. */
    KP_EXPECT_INT(CALL(timer_set, timer, kp_machine_now() + 10000 * MS, 0), KP_OK);
    KP_EXPECT_INT(signals_of(timer), 0);
    KP_EXPECT_INT(CALL(timer_set, timer, 1, 0), KP_OK);
    KP_EXPECT_INT(signals_of(timer), KP_SIGNAL_SIGNALED);
    KP_EXPECT_INT(CALL(timer_cancel, timer, 0), KP_OK);
    KP_EXPECT_INT(signals_of(timer), 0);
    KP_EXPECT_INT(CALL(timer_set, timer, (uint64_t)INT64_MIN, 0), KP_OK);
    KP_EXPECT_INT(signals_of(timer), KP_SIGNAL_SIGNALED);
    KP_EXPECT_INT(CALL(timer_set, timer, KP_TIME_INFINITE, 0), KP_OK);
    KP_EXPECT_INT(signals_of(timer), 0);
    KP_EXPECT_INT(CALL(timer_set, timer, 1, UINT64_MAX), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(CALL(object_signal, timer, 0, KP_SIGNAL_SIGNALED), KP_ERR_ACCESS_DENIED);
    tear_down();
}

KP_TEST(a_cancelled_or_closed_timer_says_nothing)
{
    KP_REQUIRE(set_up());
    uint64_t wakeups, served, served_after;
    kp_timers_counts(&wakeups, &served);
    kp_handle_t timers[3] = {TIMER(), TIMER(), TIMER()};
    for (int i = 0; i < 3; i++)
        KP_EXPECT_INT(CALL(timer_set, timers[i], kp_machine_now() + (100 + i) * MS, 0), KP_OK);
    KP_EXPECT_INT(CALL(timer_cancel, timers[0]), KP_OK);
    KP_EXPECT_INT(CALL(handle_close, timers[1]), KP_OK);
    KP_EXPECT_INT(CALL(object_wait_one, timers[2], KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, 0), KP_OK);
    KP_EXPECT_INT(signals_of(timers[0]), 0);
    kp_timers_counts(&wakeups, &served_after);
    KP_EXPECT_INT(served_after - served, 1);
    tear_down();
}

KP_TEST(timers_with_slack_share_a_wakeup)
{
    KP_REQUIRE(set_up());
    enum { TIMERS = 30 };
    kp_handle_t timers[TIMERS];
    uint64_t wakeups, wakeups_after, served;
    kp_time_t start;
    for (int i = 0; i < TIMERS; i++)
        timers[i] = TIMER();
    do { /* again, where the machine was busy elsewhere meanwhile */
        kp_timers_counts(&wakeups, &served);
        start = kp_machine_now() + 50 * MS;
        for (int i = 0; i < TIMERS; i++)
            KP_EXPECT_INT(CALL(timer_set, timers[i], start + i * 1000, 10 * MS), KP_OK);
    } while (kp_machine_now() >= start);
    for (int i = 0; i < TIMERS; i++)
        KP_EXPECT_INT(CALL(object_wait_one, timers[i], KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, 0),
                      KP_OK);
    KP_EXPECT(kp_machine_now() >= start + 10 * MS);
    kp_timers_counts(&wakeups_after, &served);
    KP_EXPECT_INT(wakeups_after - wakeups, 1);
    tear_down();
}

KP_TEST(slack_of_the_job_holds_for_its_timers)
{
    KP_REQUIRE(set_up());
    const kp_job_policy_t policy = {
        .band = KP_BAND_NORMAL, .weight = 100, .slack_ns = 20 * (uint64_t)MS};
    KP_EXPECT_INT(kp_job_set_policy(process->job, &policy), KP_OK);
    kp_handle_t timer = TIMER();
    kp_time_t deadline;
    do { /* one that has passed is not waited for */
        deadline = kp_machine_now() + 5 * MS;
        KP_EXPECT_INT(CALL(timer_set, timer, deadline, 0), KP_OK);
    } while (kp_machine_now() >= deadline);
    KP_EXPECT_INT(CALL(object_wait_one, timer, KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, 0), KP_OK);
    KP_EXPECT(kp_machine_now() >= deadline + 20 * MS);
    tear_down();
}

KP_TEST(slack_of_the_job_is_the_grain_of_its_waits)
{
    KP_REQUIRE(set_up());
    const kp_time_t slack = 20 * MS;
    const kp_job_policy_t policy = {
        .band = KP_BAND_NORMAL, .weight = 100, .slack_ns = (uint64_t)slack};
    KP_EXPECT_INT(kp_job_set_policy(process->job, &policy), KP_OK);
    kp_handle_t timer = TIMER();
    const kp_time_t deadline = kp_machine_now() / slack * slack + slack + 1;
    KP_EXPECT_INT(CALL(object_wait_one, timer, KP_SIGNAL_SIGNALED, deadline, 0), KP_ERR_TIMED_OUT);
    KP_EXPECT(kp_machine_now() >= deadline - 1 + slack);
    /* Polling, and what never ends, stay what they are. */
    KP_EXPECT_INT(CALL(object_wait_one, timer, KP_SIGNAL_SIGNALED, KP_TIME_POLL, 0),
                  KP_ERR_TIMED_OUT);
    KP_EXPECT_INT(CALL(timer_set, timer, kp_machine_now(), 0), KP_OK);
    KP_EXPECT_INT(CALL(object_wait_one, timer, KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, 0), KP_OK);
    tear_down();
}

KP_TEST(a_flood_of_timers_is_stopped)
{
    KP_REQUIRE(set_up());
    kp_process_t *plain = process;
    const kp_job_limits_t limits = {
        .handles = 20000, .queued_bytes = 1000, .pages = 1000, .processes = 1, .objects = 3000};
    process = kp_test_process_limited(1, 1, &limits);
    KP_REQUIRE(process);
    int64_t result;
    unsigned made = 0;
    kp_time_t soon = kp_machine_now() + 20 * MS;
    while ((result = CALL(timer_create, 0)) > 0) {
        KP_EXPECT_INT(CALL(timer_set, (uint64_t)result, soon + made % 7, made % 100), KP_OK);
        made++;
    }
    KP_EXPECT_INT(result, KP_ERR_QUOTA);
    KP_EXPECT_INT(made, 2999); /* and the process itself */
    kp_test_process_end(process);
    process = plain;
    tear_down();
}

/* ---- Ports ---- */

KP_TEST(edges_are_reported_once_for_each_rise)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), event = EVENT();
    KP_EXPECT_INT(CALL(port_bind, port, event, KP_SIGNAL_SIGNALED, 7, KP_PORT_EDGE), KP_OK);
    expect_nothing(port);
    SIGNAL(event);
    KP_EXPECT_INT(signals_of(port) & KP_SIGNAL_READABLE, KP_SIGNAL_READABLE);
    expect_packet(port, 7, KP_PORT_SIGNALS, KP_SIGNAL_SIGNALED);
    KP_EXPECT_INT(signals_of(port) & KP_SIGNAL_READABLE, 0);
    expect_nothing(port);
    SIGNAL(event); /* it is set already */
    expect_nothing(port);
    CLEAR(event);
    SIGNAL(event);
    CLEAR(event); /* a rise counts although it is over */
    expect_packet(port, 7, KP_PORT_SIGNALS, KP_SIGNAL_SIGNALED);
    expect_nothing(port);
    /* What is not asked for says nothing; what is set at the bind does. */
    KP_EXPECT_INT(CALL(object_signal, event, 0, KP_SIGNAL_USER_0), KP_OK);
    expect_nothing(port);
    KP_EXPECT_INT(CALL(port_bind, port, event, KP_SIGNAL_USER_0, 8, KP_PORT_EDGE), KP_OK);
    expect_packet(port, 8, KP_PORT_SIGNALS, KP_SIGNAL_USER_0);
    expect_nothing(port);
    tear_down();
}

KP_TEST(levels_are_reported_while_they_stand)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), events[3] = {EVENT(), EVENT(), EVENT()};
    for (unsigned i = 0; i < 3; i++)
        KP_EXPECT_INT(CALL(port_bind, port, events[i], KP_SIGNAL_SIGNALED, i, KP_PORT_LEVEL),
                      KP_OK);
    expect_nothing(port);
    SIGNAL(events[1]);
    for (int i = 0; i < 3; i++)
        expect_packet(port, 1, KP_PORT_SIGNALS, KP_SIGNAL_SIGNALED);
    SIGNAL(events[2]);
    SIGNAL(events[0]);
    /* None twice in one call, and with little room each comes in turn. */
    KP_EXPECT_INT(poll_port(port, 100), 3);
    unsigned seen[3] = {0};
    for (int i = 0; i < 9; i++) {
        KP_EXPECT_INT(poll_port(port, 1), 1);
        seen[packet_at(0).key % 3]++;
    }
    for (int i = 0; i < 3; i++)
        KP_EXPECT_INT(seen[i], 3);
    for (int i = 0; i < 3; i++)
        CLEAR(events[i]);
    expect_nothing(port);
    KP_EXPECT_INT(signals_of(port) & KP_SIGNAL_READABLE, 0);
    tear_down();
}

KP_TEST(once_reports_and_unbinds)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), event = EVENT();
    const uint64_t modes[] = {KP_PORT_EDGE | KP_PORT_ONCE, KP_PORT_LEVEL | KP_PORT_ONCE};
    for (int i = 0; i < 2; i++) {
        KP_EXPECT_INT(CALL(port_bind, port, event, KP_SIGNAL_SIGNALED, 5, modes[i]), KP_OK);
        SIGNAL(event);
        expect_packet(port, 5, KP_PORT_SIGNALS, KP_SIGNAL_SIGNALED);
        CLEAR(event);
        SIGNAL(event);
        expect_nothing(port);
        KP_EXPECT_INT(CALL(port_unbind, port, 5), KP_ERR_NOT_FOUND);
        CLEAR(event);
    }
    tear_down();
}

KP_TEST(closing_the_handle_closes_the_binding)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), event = EVENT();
    kp_handle_t twin = make(CALL(handle_duplicate, event, KP_RIGHTS_SAME));
    KP_EXPECT_INT(CALL(port_bind, port, event, KP_SIGNAL_SIGNALED, 1, KP_PORT_EDGE), KP_OK);
    KP_EXPECT_INT(CALL(port_bind, port, twin, KP_SIGNAL_SIGNALED, 2, KP_PORT_LEVEL), KP_OK);
    KP_EXPECT_INT(CALL(handle_close, event), KP_OK);
    KP_EXPECT_INT(CALL(port_bind, port, twin, KP_SIGNAL_SIGNALED, 1, KP_PORT_EDGE),
                  KP_ERR_ALREADY_EXISTS);
    SIGNAL(twin);
    KP_EXPECT_INT(poll_port(port, 10), 2);
    KP_EXPECT(packet_at(0).key == 1 && packet_at(0).kind == KP_PORT_CLOSED);
    KP_EXPECT(packet_at(1).key == 2 && packet_at(1).kind == KP_PORT_SIGNALS);
    KP_EXPECT_INT(CALL(port_bind, port, twin, KP_SIGNAL_SIGNALED, 1, KP_PORT_EDGE), KP_OK);
    /* Unread news of what is unbound goes with it. */
    KP_EXPECT_INT(CALL(port_unbind, port, 1), KP_OK);
    KP_EXPECT_INT(CALL(handle_close, twin), KP_OK);
    KP_EXPECT_INT(CALL(port_unbind, port, 2), KP_OK);
    expect_nothing(port);
    tear_down();
}

KP_TEST(revocation_closes_the_binding)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), event = EVENT();
    kp_handle_t derived = make(CALL(handle_duplicate, event, KP_RIGHTS_SAME));
    KP_EXPECT_INT(CALL(port_bind, port, derived, KP_SIGNAL_SIGNALED, 1, KP_PORT_LEVEL), KP_OK);
    KP_EXPECT_INT(CALL(port_bind, port, event, KP_SIGNAL_SIGNALED, 2, KP_PORT_LEVEL), KP_OK);
    SIGNAL(event);
    KP_EXPECT_INT(CALL(handle_revoke, event), KP_OK);
    KP_EXPECT_INT(poll_port(port, 10), 2);
    for (unsigned i = 0; i < 2; i++)
        KP_EXPECT_INT(packet_at(i).kind, packet_at(i).key == 1 ? KP_PORT_CLOSED : KP_PORT_SIGNALS);
    KP_EXPECT_INT(CALL(port_bind, port, derived, KP_SIGNAL_SIGNALED, 3, KP_PORT_LEVEL),
                  KP_ERR_REVOKED);
    tear_down();
}

KP_TEST(bad_bindings_are_refused)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), other = PORT(), event = EVENT();
    kp_handle_t deaf = make(CALL(handle_duplicate, event, KP_RIGHT_SIGNAL));
    KP_EXPECT_INT(CALL(port_bind, port, event, 1, 1, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(CALL(port_bind, port, event, 1, 1, KP_PORT_EDGE | KP_PORT_LEVEL),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(CALL(port_bind, port, event, 1, 1, KP_PORT_ONCE), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(CALL(port_bind, port, event, 1, 1, 8 | KP_PORT_EDGE), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(CALL(port_bind, port, event, 1ull << 32, 1, KP_PORT_EDGE),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(CALL(port_bind, port, other, 1, 1, KP_PORT_EDGE), KP_ERR_NOT_SUPPORTED);
    KP_EXPECT_INT(CALL(port_bind, port, port, 1, 1, KP_PORT_EDGE), KP_ERR_NOT_SUPPORTED);
    KP_EXPECT_INT(CALL(port_bind, port, 12345, 1, 1, KP_PORT_EDGE), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(CALL(port_bind, port, deaf, 1, 1, KP_PORT_EDGE), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(CALL(port_bind, port, event, 1, UINT64_MAX, KP_PORT_EDGE), KP_OK);
    KP_EXPECT_INT(CALL(port_bind, port, event, 1, UINT64_MAX, KP_PORT_EDGE), KP_ERR_ALREADY_EXISTS);
    KP_EXPECT_INT(CALL(port_unbind, port, 1), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(CALL(port_wait, port, AT, 0, KP_TIME_POLL), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(CALL(port_wait, port, AT, KP_PORT_PACKETS_MAX + 1, KP_TIME_POLL),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(CALL(port_wait, port, 2 * 65536 - 31, 1, KP_TIME_POLL), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(CALL(port_post, port, 2 * 65536 - 31), KP_ERR_BAD_ADDRESS);
    tear_down();
}

/* Where the caller cannot be told, nothing is taken. */
KP_TEST(packets_are_not_lost_in_read_only_memory)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), event = EVENT();
    kp_handle_t vmo = make(CALL(vmo_create, 4096));
    KP_EXPECT_INT(CALL(vmo_map, vmo, 0, 0x3000, 4096, 0), KP_OK);
    KP_EXPECT_INT(CALL(port_bind, port, event, KP_SIGNAL_SIGNALED, 7, KP_PORT_EDGE), KP_OK);
    SIGNAL(event);
    KP_EXPECT_INT(CALL(port_wait, port, 0x3000, 1, KP_TIME_POLL), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(CALL(port_wait, port, 0x2ff8, 1, KP_TIME_POLL), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(CALL(port_wait, port, 0x3ff8, 1, KP_TIME_POLL), KP_ERR_BAD_ADDRESS);
    expect_packet(port, 7, KP_PORT_SIGNALS, KP_SIGNAL_SIGNALED);
    tear_down();
}

KP_TEST(posted_packets_come_in_order_and_are_bounded)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT();
    unsigned posted = 0;
    for (;; posted++) {
        kp_port_packet_t packet = {.key = posted, .kind = 77, .data = {posted, ~posted}};
        memcpy(kp_test_memory(process, 0x100), &packet, sizeof(packet));
        int64_t status = CALL(port_post, port, 0x100);
        if (status != KP_OK) {
            KP_EXPECT_INT(status, KP_ERR_SHOULD_WAIT);
            break;
        }
    }
    KP_EXPECT_INT(posted, KP_PORT_PACKETS_MAX);
    KP_EXPECT_INT(signals_of(port), KP_SIGNAL_READABLE);
    KP_EXPECT_INT(poll_port(port, 3), 3);
    KP_EXPECT_INT(signals_of(port), KP_SIGNAL_READABLE | KP_SIGNAL_WRITABLE);
    KP_EXPECT_INT(poll_port(port, KP_PORT_PACKETS_MAX), posted - 3);
    for (unsigned i = 0; i < posted - 3; i++) {
        kp_port_packet_t packet = packet_at(i);
        if (packet.key != i + 3 || packet.kind != KP_PORT_USER || packet.data[0] != i + 3 ||
            packet.data[1] != (uint64_t)~(i + 3)) {
            KP_FAIL("packet %u is wrong", i);
            break;
        }
    }
    expect_nothing(port);
    /* They are charged while they wait, and go with the port. */
    kp_job_limits_t used;
    KP_EXPECT_INT(CALL(port_post, port, 0x100), KP_OK);
    kp_quota_used(process->quota, &used);
    KP_EXPECT(used.queued_bytes >= sizeof(kp_port_packet_t));
    KP_EXPECT_INT(CALL(handle_close, port), KP_OK);
    kp_quota_used(process->quota, &used);
    KP_EXPECT_INT(used.queued_bytes, 0);
    tear_down();
}

KP_TEST(ten_thousand_objects_on_one_port)
{
    KP_REQUIRE(set_up());
    enum { MANY = 10000 };
    static kp_handle_t events[MANY];
    kp_handle_t port = PORT();
    for (unsigned i = 0; i < MANY; i++) {
        events[i] = EVENT();
        int64_t status = CALL(port_bind, port, events[i], KP_SIGNAL_SIGNALED, i * 977ull,
                              i % 2 ? KP_PORT_EDGE : KP_PORT_LEVEL);
        if (status != KP_OK) {
            KP_FAIL("binding %u: %lld", i, (long long)status);
            break;
        }
    }
    for (unsigned i = 0; i < MANY; i++)
        SIGNAL(events[i]);
    static bool seen[MANY];
    /* Everyone comes once before a level comes again; an edge does not. */
    unsigned total = 0;
    for (int64_t count; total < MANY && (count = poll_port(port, 256)) > 0;) {
        for (unsigned i = 0; i < count; i++) {
            uint64_t index = packet_at(i).key / 977;
            KP_REQUIRE(index < MANY && seen[index] == (total == MANY));
            KP_EXPECT(!seen[index] || index % 2 == 0);
            total += !seen[index];
            seen[index] = true;
        }
    }
    KP_EXPECT_INT(total, MANY);
    for (unsigned i = 0; i < MANY; i += 3)
        KP_EXPECT_INT(CALL(port_unbind, port, i * 977ull), KP_OK);
    tear_down(); /* with thousands bound */
}

KP_TEST(bindings_are_charged_and_bounded_for_each_object)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), event = EVENT();
    int64_t status = KP_OK;
    unsigned bound = 0;
    while ((status = CALL(port_bind, port, event, 1, bound, KP_PORT_EDGE)) == KP_OK)
        bound++;
    KP_EXPECT_INT(status, KP_ERR_QUOTA);
    KP_EXPECT_INT(bound, KP_OBJECT_BINDINGS_MAX);
    kp_job_limits_t used;
    kp_quota_used(process->quota, &used);
    KP_EXPECT_INT(used.objects, 3 + bound);
    KP_EXPECT_INT(CALL(port_unbind, port, 0), KP_OK);
    KP_EXPECT_INT(CALL(port_bind, port, event, 1, 0, KP_PORT_EDGE), KP_OK);
    KP_EXPECT_INT(CALL(handle_close, port), KP_OK);
    kp_quota_used(process->quota, &used);
    KP_EXPECT_INT(used.objects, 2);

    kp_process_t *plain = process;
    const kp_job_limits_t few = {
        .handles = 100, .queued_bytes = 1000, .pages = 1000, .processes = 1, .objects = 20};
    process = kp_test_process_limited(2, 2, &few);
    KP_REQUIRE(process);
    port = PORT();
    event = EVENT();
    for (bound = 0; (status = CALL(port_bind, port, event, 1, bound, KP_PORT_LEVEL)) == KP_OK;)
        bound++;
    KP_EXPECT_INT(status, KP_ERR_QUOTA);
    KP_EXPECT_INT(bound, 17);
    unsigned posted = 0;
    while ((status = CALL(port_post, port, 0x100)) == KP_OK)
        posted++;
    KP_EXPECT_INT(status, KP_ERR_QUOTA);
    KP_EXPECT(posted > 5 && posted < 40);
    kp_test_process_end(process);
    process = plain;
    tear_down();
}

/* Channels: what a port is for. */
KP_TEST(a_port_tells_of_messages_and_of_the_peers_end)
{
    KP_REQUIRE(set_up());
    KP_EXPECT_INT(CALL(channel_create, 0x100), KP_OK);
    kp_handle_t ends[2], port = PORT();
    memcpy(ends, kp_test_memory(process, 0x100), sizeof(ends));
    KP_EXPECT_INT(CALL(port_bind, port, ends[1], KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, 1,
                       KP_PORT_LEVEL),
                  KP_OK);
    KP_EXPECT_INT(CALL(channel_write, ends[0], 0, 8, 0, 0), KP_OK);
    expect_packet(port, 1, KP_PORT_SIGNALS, KP_SIGNAL_READABLE | KP_SIGNAL_WRITABLE);
    KP_EXPECT_INT(CALL(channel_read, ends[1], 0x200, 8, 0, 0, 0x300), KP_OK);
    expect_nothing(port);
    /* Moving the bound end away closes the binding. */
    KP_EXPECT_INT(CALL(channel_create, 0x100), KP_OK);
    kp_handle_t carrier[2];
    memcpy(carrier, kp_test_memory(process, 0x100), sizeof(carrier));
    memcpy(kp_test_memory(process, 0x400), &ends[1], sizeof(ends[1]));
    KP_EXPECT_INT(CALL(channel_write, carrier[0], 0, 0, 0x400, 1), KP_OK);
    expect_packet(port, 1, KP_PORT_CLOSED, 0);
    tear_down();
}

/* ---- Memory may run out ---- */

KP_TEST(out_of_memory_is_an_error_like_others)
{
    KP_REQUIRE(set_up());
    unsigned failures = 0;
    for (uint64_t n = 1;; n++) {
        uint64_t objects = kp_object_count(KP_TYPE_NONE);
        kp_test_fail_allocation(n);
        int64_t port = CALL(port_create, 0), timer = CALL(timer_create, 0);
        int64_t event = CALL(event_create, 0);
        int64_t bound = 0, posted = 0;
        if (port > 0 && event > 0) {
            bound = CALL(port_bind, port, event, 1, 1, KP_PORT_EDGE);
            posted = CALL(port_post, port, 0x100);
            (void)poll_port((kp_handle_t)port, 200);
        }
        if (timer > 0)
            KP_EXPECT_INT(CALL(timer_set, timer, 1, 0), KP_OK);
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        const int64_t results[] = {port, timer, event, bound, posted};
        for (size_t i = 0; i < KP_ARRAY_COUNT(results); i++) {
            KP_EXPECT(results[i] >= 0 || results[i] == KP_ERR_NO_MEMORY);
            failures += results[i] < 0;
        }
        for (int i = 0; i < 3; i++) {
            if (results[i] > 0)
                KP_EXPECT_INT(CALL(handle_close, results[i]), KP_OK);
        }
        KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
        if (!failed)
            break;
    }
    KP_EXPECT(failures >= 5);
    tear_down();
}

/* ---- Waits of many ---- */

KP_TEST(wait_many_reports_every_item)
{
    KP_REQUIRE(set_up());
    kp_wait_item_t items[KP_WAIT_MANY_MAX];
    for (unsigned i = 0; i < KP_WAIT_MANY_MAX; i++)
        items[i] = (kp_wait_item_t){EVENT(), KP_SIGNAL_SIGNALED, 0};
    memcpy(kp_test_memory(process, AT), items, sizeof(items));
    KP_EXPECT_INT(CALL(object_wait_many, AT, KP_WAIT_MANY_MAX, kp_machine_now() + 2 * MS),
                  KP_ERR_TIMED_OUT);
    SIGNAL(items[3].handle);
    SIGNAL(items[255].handle);
    KP_EXPECT_INT(CALL(object_wait_many, AT, KP_WAIT_MANY_MAX, KP_TIME_INFINITE), KP_OK);
    memcpy(items, kp_test_memory(process, AT), sizeof(items));
    for (unsigned i = 0; i < KP_WAIT_MANY_MAX; i++)
        KP_EXPECT_INT(items[i].observed, i == 3 || i == 255 ? KP_SIGNAL_SIGNALED : 0);
    tear_down();
}

KP_TEST_MAIN()
