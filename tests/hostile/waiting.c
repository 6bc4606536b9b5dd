/* Events, timers, ports, futexes and revocation in amounts and combinations that nobody needs. */
#include <stdlib.h>

#include "abi/port.h"
#include "tests/hostile/hostile.h"

int abuse_event_flood(void)
{
    int64_t made;
    uint32_t count = 0;
    while ((made = kp_event_create()) > 0)
        count++;
    CHECK(is_limit(made) && count > 100);
    return 0;
}

int abuse_timer_flood(void)
{
    int64_t made;
    uint32_t count = 0;
    while ((made = RAW(timer_create, 0)) > 0) {
        /* All at the same moment, none, or long ago. */
        uint64_t deadline = count % 3 == 0   ? (uint64_t)(kp_now() + 20 * KP_NS_PER_MS)
                            : count % 3 == 1 ? (uint64_t)KP_TIME_INFINITE
                                             : 1;
        CHECK(RAW(timer_set, (uint64_t)made, deadline, count % 5 ? 0 : UINT64_MAX / 4) == KP_OK);
        count++;
    }
    CHECK(is_limit(made) && count > 100);
    /* They fire while it dies. */
    (void)RAW(object_wait_many, 0, 0, (uint64_t)(kp_now() + 20 * KP_NS_PER_MS));
    return 0;
}

int abuse_port_flood(void)
{
    int64_t port = RAW(port_create, 0);
    kp_port_packet_t packet = {.key = 7, .kind = KP_PORT_USER};
    int64_t status = KP_OK;
    uint32_t posted = 0;
    CHECK(port > 0);
    while (posted < 1000000 && (status = RAW(port_post, (uint64_t)port, kp_mem(&packet))) == KP_OK)
        posted++;
    CHECK(posted > 0 && posted < 1000000);
    CHECK(is_limit(status) || status == KP_ERR_SHOULD_WAIT);
    /* Bindings, many of them of one object. */
    int64_t event = kp_event_create();
    uint64_t key = 0;
    while (key < 1000000 && (status = RAW(port_bind, (uint64_t)port, (uint64_t)event,
                                          KP_SIGNAL_SIGNALED, key, KP_PORT_EDGE)) == KP_OK)
        key++;
    CHECK(key > 0 && key < 1000000 && (is_limit(status) || status == KP_ERR_SHOULD_WAIT));
    CHECK(RAW(port_bind, (uint64_t)port, (uint64_t)event, KP_SIGNAL_SIGNALED, 0, KP_PORT_EDGE) < 0);
    CHECK(kp_object_signal((kp_handle_t)event, 0, KP_SIGNAL_SIGNALED) == KP_OK);
    CHECK(kp_handle_close((kp_handle_t)event) == KP_OK);
    return 0;
}

/* Ports that watch each other. */
int abuse_port_of_ports(void)
{
    enum { PORTS = 16 };
    uint64_t ports[PORTS];
    kp_port_packet_t packet = {.key = 1, .kind = KP_PORT_USER};
    for (int i = 0; i < PORTS; i++) {
        int64_t port = RAW(port_create, 0);
        CHECK(port > 0);
        ports[i] = (uint64_t)port;
    }
    for (int i = 0; i < PORTS; i++) {
        for (int k = 0; k < PORTS; k++) {
            int64_t status = RAW(port_bind, ports[i], ports[k], KP_SIGNAL_READABLE,
                                 (uint64_t)k + 10, KP_PORT_LEVEL);
            CHECK(status <= KP_OK);
        }
    }
    for (int i = 0; i < PORTS; i++)
        CHECK(RAW(port_post, ports[i], kp_mem(&packet)) == KP_OK);
    kp_port_packet_t got[32];
    for (int i = 0; i < PORTS; i++)
        CHECK(RAW(port_wait, ports[i], kp_mem(got), 32, (uint64_t)kp_now()) > 0);
    for (int i = 0; i < PORTS; i += 2)
        CHECK(kp_handle_close((kp_handle_t)ports[i]) == KP_OK);
    return 0;
}

int abuse_wait_for_nothing(void)
{
    (void)RAW(object_wait_many, 0, 0, (uint64_t)KP_TIME_INFINITE);
    return __LINE__;
}

int abuse_wait_on_many(void)
{
    static kp_wait_item_t items[KP_WAIT_MANY_MAX + 1];
    kp_handle_t event = (kp_handle_t)kp_event_create();
    for (uint32_t i = 0; i <= KP_WAIT_MANY_MAX; i++)
        items[i] = (kp_wait_item_t){.handle = event, .signals = KP_SIGNAL_SIGNALED};
    CHECK(kp_object_wait_many(items, KP_WAIT_MANY_MAX + 1, KP_TIME_POLL) < 0);
    for (int i = 0; i < 100; i++)
        CHECK(kp_object_wait_many(items, KP_WAIT_MANY_MAX, kp_now() + 1000) == KP_ERR_TIMED_OUT);
    CHECK(kp_object_signal(event, 0, KP_SIGNAL_SIGNALED) == KP_OK);
    CHECK(kp_object_wait_many(items, KP_WAIT_MANY_MAX, KP_TIME_INFINITE) == KP_OK);
    items[100].handle = event + 2;
    CHECK(kp_object_wait_many(items, KP_WAIT_MANY_MAX, KP_TIME_POLL) == KP_ERR_BAD_HANDLE);
    CHECK(kp_object_wait_many(items, SIZE_MAX, KP_TIME_POLL) < 0);
    return 0;
}

int abuse_futex_abuse(void)
{
    static _Alignas(8) uint32_t words[4];
    uint64_t size = hostile_memory_size();
    CHECK(RAW(futex_wait, size, 0, 4, 0, 0) == KP_ERR_BAD_ADDRESS);
    CHECK(RAW(futex_wait, size - 2, 0, 4, 0, 0) < 0);
    CHECK(RAW(futex_wait, kp_mem(words) + 1, 0, 4, 0, 0) == KP_ERR_INVALID_ARGUMENT);
    CHECK(RAW(futex_wait, kp_mem(words), 0, 3, 0, 0) == KP_ERR_INVALID_ARGUMENT);
    CHECK(RAW(futex_wait, kp_mem(words), 1, 4, 0, 0) == KP_ERR_BAD_STATE);
    CHECK(RAW(futex_wait, kp_mem(words), 0, 4, 0, (uint64_t)(kp_now() + 1000)) == KP_ERR_TIMED_OUT);
    CHECK(RAW(futex_wait, kp_mem(words), 0, 8, 0, (uint64_t)(kp_now() + 1000)) == KP_ERR_TIMED_OUT);
    CHECK(RAW(futex_wake, kp_mem(words), UINT64_MAX, 0) <= 0);
    for (int i = 0; i < 1000; i++)
        CHECK(RAW(futex_wake, (hostile_random() % (uint32_t)size) & ~3u, 5, 0) == 0);
    return 0;
}

int abuse_revoke_storm(void)
{
    enum { COPIES = 500 };
    static kp_handle_t copies[COPIES];
    for (int round = 0; round < 20; round++) {
        kp_handle_t first = (kp_handle_t)kp_event_create();
        copies[0] = first;
        for (int i = 1; i < COPIES; i++) {
            /* A random tree. */
            int64_t copy =
                kp_handle_duplicate(copies[hostile_random() % (uint32_t)i], KP_RIGHTS_SAME);
            CHECK(copy > 0);
            copies[i] = (kp_handle_t)copy;
        }
        CHECK(RAW(handle_revoke, first) == KP_OK);
        for (int i = 1; i < COPIES; i++) {
            CHECK(kp_object_signal(copies[i], 0, KP_SIGNAL_SIGNALED) == KP_ERR_REVOKED);
            CHECK(RAW(handle_revoke, copies[i]) == KP_ERR_REVOKED);
            (void)kp_handle_close(copies[i]);
        }
        CHECK(kp_object_signal(first, 0, KP_SIGNAL_SIGNALED) == KP_OK);
        CHECK(kp_handle_close(first) == KP_OK);
    }
    return 0;
}
