#include "runtime/program/thread.h"

#include <stdlib.h>

#ifndef __wasm_atomics__
#error "compile with -matomics: otherwise atomics are plain"
#endif

#define STACK_DEFAULT ((size_t)65536)
#define STACK_MAX ((size_t)64 << 20)
#define GUARD_SIZE ((size_t)16384) /* larger than frames usually are */
/* The first thread's name as an owner until it has made another: no handle is this. */
#define NOBODY_ELSE 0x7fffffffu

struct kp_thread {
    kp_handle_t handle; /* of who joins; the thread itself does not look */
    uint32_t own;       /* the thread's own handle to itself */
    void *(*fn)(void *);
    void *argument;
    void *result;
    void *value;
    uint8_t *memory; /* guard and stack */
};

static uint32_t first_own = NOBODY_ELSE;
static void *first_value;
static kp_mutex_t guard_mutex;
static int64_t
    guard_vmo; /* pages that nobody can write; 0: not made yet; guarded by: guard_mutex */

__asm__(".globaltype kp_thread_pointer, i32\n");

kp_thread_t *kp_thread_own(void)
{
    kp_thread_t *own;
    __asm__ volatile("global.get kp_thread_pointer\n\tlocal.set %0" : "=r"(own));
    return own;
}

void **kp_thread_value(void)
{
    kp_thread_t *own = kp_thread_own();
    return own ? &own->value : &first_value;
}

/* How mutexes name the caller. */
static uint32_t own_name(void)
{
    kp_thread_t *own = kp_thread_own();
    return own ? own->own : __atomic_load_n(&first_own, __ATOMIC_RELAXED);
}

/* ---- Beginning and end ---- */

_Noreturn static void leave(void)
{
    (void)kp_thread_exit();
    __builtin_trap();
}

_Noreturn void kp_thread_leave(void *result)
{
    kp_thread_t *own = kp_thread_own();
    if (own) {
        own->result = result;
        (void)kp_handle_close(own->own);
    }
    leave();
}

void kp_thread_begin(kp_thread_t *thread);
/* Called by thread_entry.S. */
void kp_thread_begin(kp_thread_t *thread)
{
    int64_t own = kp_thread_self();
    thread->own = own > 0 ? (uint32_t)own : 0;
    if (!thread->own) /* without a name it can hold no mutex */
        kp_process_trap(KP_TRAP_ABORT, 0);
    kp_thread_leave(thread->fn(thread->argument));
}

/* Makes the first pages of the memory a guard. */
static kp_status_t guard_begin(void *memory)
{
    kp_mutex_lock(&guard_mutex);
    if (guard_vmo <= 0)
        guard_vmo = kp_vmo_create(GUARD_SIZE);
    kp_status_t status = guard_vmo < 0
                             ? (kp_status_t)guard_vmo
                             : kp_vmo_map((kp_handle_t)guard_vmo, 0, memory, GUARD_SIZE, 0);
    kp_mutex_unlock(&guard_mutex);
    return status;
}

static void thread_free(kp_thread_t *thread, bool has_guard)
{
    if (has_guard && kp_vmo_unmap(thread->memory, GUARD_SIZE) != KP_OK)
        return; /* out of memory: better lost than used with a guard inside */
    free(thread->memory);
    free(thread);
}

/* The first thread gets a name that others can lend their priority to. */
static kp_status_t first_name(void)
{
    if (__atomic_load_n(&first_own, __ATOMIC_RELAXED) != NOBODY_ELSE || kp_thread_own())
        return KP_OK;
    int64_t handle = kp_thread_self();
    if (handle < 0)
        return (kp_status_t)handle;
    __atomic_store_n(&first_own, (uint32_t)handle, __ATOMIC_RELAXED);
    return KP_OK;
}

kp_status_t kp_thread_spawn(kp_thread_t **out, void *(*fn)(void *), void *argument,
                            size_t stack_size)
{
    if (stack_size > STACK_MAX)
        return KP_ERR_NO_MEMORY;
    size_t size =
        stack_size ? (stack_size + KP_PAGE_SIZE - 1) & ~(size_t)(KP_PAGE_SIZE - 1) : STACK_DEFAULT;
    kp_status_t status = first_name();
    if (status != KP_OK)
        return status;
    kp_thread_t *thread = calloc(1, sizeof(*thread));
    uint8_t *memory = thread ? aligned_alloc(KP_PAGE_SIZE, GUARD_SIZE + size) : NULL;
    if (!memory) {
        free(thread);
        return KP_ERR_NO_MEMORY;
    }
    thread->fn = fn;
    thread->argument = argument;
    thread->memory = memory;
    status = guard_begin(memory);
    if (status != KP_OK) {
        thread_free(thread, false);
        return status;
    }
    int64_t handle = kp_thread_create(kp_mem(memory + GUARD_SIZE + size), kp_mem(thread));
    if (handle < 0) {
        thread_free(thread, true);
        return (kp_status_t)handle;
    }
    thread->handle = (kp_handle_t)handle;
    *out = thread;
    return KP_OK;
}

kp_status_t kp_thread_join(kp_thread_t *thread, kp_time_t deadline, void **result)
{
    kp_status_t status = kp_object_wait_one(thread->handle, KP_SIGNAL_TERMINATED, deadline, NULL);
    if (status != KP_OK)
        return status;
    if (result)
        *result = thread->result;
    (void)kp_handle_close(thread->handle);
    thread_free(thread, true);
    return KP_OK;
}

/* ---- Mutex ---- */

static bool word_change(uint32_t *word, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Sleeps while the word is `value`. */
static void word_wait(const uint32_t *word, uint32_t value)
{
    kp_handle_t owner = value & ~KP_MUTEX_WAITED;
    kp_status_t status = kp_futex_wait(word, value, sizeof(*word), owner, KP_TIME_INFINITE);
    /* The owner has no name, or has just left: nobody to lend priority to. */
    if (status != KP_OK && status != KP_ERR_BAD_STATE)
        (void)kp_futex_wait(word, value, sizeof(*word), KP_HANDLE_NONE, KP_TIME_INFINITE);
}

/* Takes it as one that others may wait for. */
static void lock_waited(kp_mutex_t *mutex)
{
    uint32_t self = own_name();
    for (;;) {
        uint32_t now = __atomic_load_n(&mutex->word, __ATOMIC_SEQ_CST);
        if (now == 0) {
            if (word_change(&mutex->word, 0, self | KP_MUTEX_WAITED))
                break;
        } else if ((now & ~KP_MUTEX_WAITED) == self) {
            kp_process_trap(KP_TRAP_ABORT, 0);
        } else if ((now & KP_MUTEX_WAITED) ||
                   word_change(&mutex->word, now, now | KP_MUTEX_WAITED)) {
            word_wait(&mutex->word, now | KP_MUTEX_WAITED);
        }
    }
    /* Those who wait on lend their priority to this thread now. */
    if (self != NOBODY_ELSE)
        (void)kp_futex_wake(&mutex->word, 0, self);
}

void kp_mutex_lock(kp_mutex_t *mutex)
{
    if (!word_change(&mutex->word, 0, own_name()))
        lock_waited(mutex);
}

bool kp_mutex_try(kp_mutex_t *mutex)
{
    return word_change(&mutex->word, 0, own_name());
}

void kp_mutex_unlock(kp_mutex_t *mutex)
{
    if (__atomic_exchange_n(&mutex->word, 0, __ATOMIC_SEQ_CST) & KP_MUTEX_WAITED)
        (void)kp_futex_wake(&mutex->word, 1, KP_HANDLE_NONE);
}

/* ---- Condition ---- */

bool kp_condition_wait(kp_condition_t *condition, kp_mutex_t *mutex, kp_time_t deadline)
{
    uint32_t sequence = __atomic_load_n(&condition->sequence, __ATOMIC_SEQ_CST);
    kp_mutex_unlock(mutex);
    kp_status_t status =
        kp_futex_wait(&condition->sequence, sequence, sizeof(sequence), KP_HANDLE_NONE, deadline);
    kp_mutex_lock(mutex);
    return status != KP_ERR_TIMED_OUT;
}

void kp_condition_signal(kp_condition_t *condition)
{
    __atomic_fetch_add(&condition->sequence, 1, __ATOMIC_SEQ_CST);
    (void)kp_futex_wake(&condition->sequence, 1, KP_HANDLE_NONE);
}

void kp_condition_broadcast(kp_condition_t *condition)
{
    __atomic_fetch_add(&condition->sequence, 1, __ATOMIC_SEQ_CST);
    (void)kp_futex_wake(&condition->sequence, UINT32_MAX, KP_HANDLE_NONE);
}
