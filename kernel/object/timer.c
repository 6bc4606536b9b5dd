#include "kernel/object/timer.h"

#include "kernel/object/thread.h"

/* How many are served with the lock held (and on x86_64 interrupts off): then others get their turn. */
#define SERVED_AT_ONCE 32u

static kp_spinlock_t lock;
static kp_deadline_queue_t queue; /* guarded by: lock */
static kp_thread_t *server;       /* set once; guarded by: lock */
static kp_time_t sleeping_until;  /* when the server looks next by itself; guarded by: lock */
static uint64_t wakeups, served;  /* guarded by: lock */

static void timers_run(void *argument)
{
    (void)argument;
    for (;;) {
        unsigned count = 0;
        kp_spin_lock(&lock);
        kp_time_t now = kp_machine_now();
        kp_deadline_t *due;
        while (count < SERVED_AT_ONCE && (due = kp_deadline_pop(&queue, now)) != NULL) {
            kp_timer_t *timer = KP_CONTAINER_OF(due, kp_timer_t, deadline);
            kp_object_signal(&timer->object, 0, KP_SIGNAL_SIGNALED);
            count++;
        }
        bool more = count == SERVED_AT_ONCE;
        wakeups += count > 0;
        served += count;
        sleeping_until = more ? 0 : kp_deadline_next(&queue);
        kp_time_t next = sleeping_until;
        kp_spin_unlock(&lock);
        /* Whoever sets an earlier one meanwhile unparks. */
        if (!more)
            (void)kp_machine_thread_park(next);
    }
}

kp_status_t kp_timers_start(void)
{
    static kp_spinlock_t starting; /* before `lock` */
    kp_status_t status = KP_OK;
    kp_spin_lock(&starting);
    if (!server) {
        uint64_t seed = 0;
        (void)kp_machine_random(&seed, sizeof(seed));
        kp_deadline_queue_init(&queue, seed);
        kp_thread_t *thread;
        status = kp_thread_create("timers", timers_run, NULL, &thread);
        if (status == KP_OK) {
            kp_spin_lock(&lock);
            server = thread;
            kp_spin_unlock(&lock);
        }
    }
    kp_spin_unlock(&starting);
    return status;
}

void kp_timers_counts(uint64_t *wakeups_out, uint64_t *served_out)
{
    kp_spin_lock(&lock);
    *wakeups_out = wakeups;
    *served_out = served;
    kp_spin_unlock(&lock);
}

/* Nobody can name it any more. */
static void timer_abandoned(kp_object_t *object)
{
    kp_timer_cancel(kp_timer_from_object(object));
}

static void timer_destroy(kp_object_t *object)
{
    /* A call that was in progress when it was abandoned may have set it again. */
    kp_timer_cancel(kp_timer_from_object(object));
    kp_object_fini(object);
    kp_kfree(kp_timer_from_object(object));
}

static const kp_object_ops_t timer_ops = {.abandoned = timer_abandoned, .destroy = timer_destroy};

kp_status_t kp_timer_create(kp_capability_t *out)
{
    kp_status_t status = kp_timers_start();
    if (status != KP_OK)
        return status;
    kp_timer_t *timer = kp_kalloc(sizeof(*timer));
    if (!timer)
        return KP_ERR_NO_MEMORY;
    kp_object_init(&timer->object, KP_TYPE_TIMER, &timer_ops);
    *out = kp_capability_create(&timer->object, kp_object_default_rights(KP_TYPE_TIMER));
    kp_object_release(&timer->object);
    return KP_OK;
}

void kp_timer_set(kp_timer_t *timer, kp_time_t deadline, uint64_t slack)
{
    bool wake = false;
    kp_spin_lock(&lock);
    kp_deadline_remove(&queue, &timer->deadline);
    bool is_due = deadline <= kp_machine_now();
    kp_object_signal(&timer->object, KP_SIGNAL_SIGNALED, 0);
    if (is_due)
        kp_object_signal(&timer->object, 0,
                         KP_SIGNAL_SIGNALED); /* a rise, also if it was set before */
    if (!is_due && deadline != KP_TIME_INFINITE) {
        kp_deadline_add(&queue, &timer->deadline, deadline, slack);
        kp_time_t next = kp_deadline_next(&queue);
        wake = next < sleeping_until;
        if (wake)
            sleeping_until = next; /* one wake-up is enough until it has looked */
    }
    kp_spin_unlock(&lock);
    if (wake)
        kp_machine_thread_unpark(server);
}

void kp_timer_cancel(kp_timer_t *timer)
{
    kp_spin_lock(&lock);
    kp_deadline_remove(&queue, &timer->deadline);
    kp_object_signal(&timer->object, KP_SIGNAL_SIGNALED, 0);
    kp_spin_unlock(&lock);
}
