#include "kernel/test/machine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/object/mapping.h"
#include "kernel/object/process_private.h"

void (*kp_test_program)(kp_process_t *process);

static _Thread_local kp_thread_t *current;
static pthread_mutex_t threads_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t threads_condition = PTHREAD_COND_INITIALIZER;
static unsigned threads_running; /* guarded by: threads_mutex */

/* ---- Base ---- */

static _Atomic uint64_t fail_countdown;
static atomic_bool fail_happened;
static _Atomic uint64_t allocations;

void *kp_kalloc(size_t size)
{
    uint64_t left = atomic_load(&fail_countdown);
    while (left > 0 && !atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) {
    }
    if (left == 1) {
        atomic_store(&fail_happened, true);
        return NULL;
    }
    void *memory = calloc(1, size);
    if (memory)
        atomic_fetch_add(&allocations, 1);
    return memory;
}

void *kp_kalloc_dirty(size_t size)
{
    void *memory = kp_kalloc(size);
    return memory ? memset(memory, 0xa5, size) : NULL;
}

void kp_kfree(void *memory)
{
    if (memory)
        atomic_fetch_sub(&allocations, 1);
    free(memory);
}

void kp_test_fail_allocation(uint64_t n)
{
    atomic_store(&fail_happened, false);
    atomic_store(&fail_countdown, n);
}

bool kp_test_failed(void)
{
    return atomic_load(&fail_happened);
}

uint64_t kp_test_allocations(void)
{
    return atomic_load(&allocations);
}

int kp_vsnprintf(char *to, size_t size, const char *format, va_list arguments)
{
    return vsnprintf(to, size, format, arguments);
}

int kp_snprintf(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    return length;
}

static char log_text[1 << 16];
static size_t log_size;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void kp_log(const char *area, int level, const char *format, ...)
{
    char line[1400];
    (void)level;
    int length = snprintf(line, sizeof(line), "%s: ", area);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
    va_end(arguments);
    if (getenv("KP_TEST_VERBOSE"))
        fprintf(stderr, "%s\n", line);
    pthread_mutex_lock(&log_mutex);
    size_t size = strlen(line);
    if (log_size + size + 2 < sizeof(log_text)) {
        memcpy(log_text + log_size, line, size);
        log_text[log_size + size] = '\n';
        log_size += size + 1;
    }
    pthread_mutex_unlock(&log_mutex);
}

unsigned kp_test_log_count(const char *text)
{
    unsigned count = 0;
    pthread_mutex_lock(&log_mutex);
    for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++)
        count++;
    pthread_mutex_unlock(&log_mutex);
    return count;
}

_Noreturn void kp_panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "panic: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    abort();
}

_Noreturn void kp_machine_shutdown(int code)
{
    exit(code);
}

/* ---- Locks, time, entropy ---- */

void kp_spin_init(kp_spinlock_t *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
}

void kp_spin_lock(kp_spinlock_t *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void kp_spin_unlock(kp_spinlock_t *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

kp_time_t kp_machine_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * KP_NS_PER_S + now.tv_nsec;
}

uint64_t kp_machine_realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

kp_status_t kp_machine_random(void *bytes, size_t count)
{
    static _Atomic uint64_t state = 1; /* the same in every run */
    for (size_t i = 0; i < count; i++) {
        uint64_t z = atomic_fetch_add(&state, 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        ((uint8_t *)bytes)[i] = (uint8_t)(z >> 32);
    }
    return KP_OK;
}

/* ---- Threads ---- */

kp_thread_t *kp_machine_thread_current(void)
{
    return current;
}

/* Guards what happens to threads before they are started. Before threads' own mutexes. */
static pthread_mutex_t start_mutex = PTHREAD_MUTEX_INITIALIZER;

static void thread_prepare(kp_thread_t *thread)
{
    pthread_mutex_lock(&start_mutex);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&thread->machine.condition, &attributes);
    pthread_mutex_init(&thread->machine.mutex, NULL);
    pthread_condattr_destroy(&attributes);
    thread->machine.started = true;
    pthread_mutex_unlock(&start_mutex);
}

void kp_test_attach(const char *name)
{
    if (current)
        return;
    kp_job_root(); /* exists for ever: not a leak of the first test */
    kp_thread_t *thread = kp_thread_adopt(name);
    assert(thread);
    thread_prepare(thread);
    current = thread;
}

kp_status_t kp_machine_trace_write(void *context, const void *bytes, size_t count)
{
    (void)context;
    (void)bytes;
    (void)count;
    return KP_ERR_NOT_SUPPORTED;
}

uint32_t kp_machine_cpu_count(void)
{
    return 1;
}

uint32_t kp_machine_cpu_current(void)
{
    return 0;
}

void kp_test_detach(void)
{
    kp_thread_t *thread = current;
    current = NULL;
    kp_thread_ended(thread);
}

bool kp_machine_thread_park(kp_time_t deadline)
{
    kp_machine_thread_t *machine = &current->machine;
    kp_time_t at = KP_MAX(deadline, 0); /* a time before the clock began is past, too */
    struct timespec until = {.tv_sec = at / KP_NS_PER_S, .tv_nsec = at % KP_NS_PER_S};
    bool in_time = true;
    pthread_mutex_lock(&machine->mutex);
    while (!machine->token && !machine->killed && in_time) {
        if (deadline == KP_TIME_INFINITE)
            pthread_cond_wait(&machine->condition, &machine->mutex);
        else
            in_time =
                pthread_cond_timedwait(&machine->condition, &machine->mutex, &until) != ETIMEDOUT;
    }
    in_time = machine->token || machine->killed;
    machine->token = false;
    pthread_mutex_unlock(&machine->mutex);
    return in_time;
}

void kp_machine_thread_unpark(kp_thread_t *thread)
{
    pthread_mutex_lock(&thread->machine.mutex);
    thread->machine.token = true;
    pthread_cond_broadcast(&thread->machine.condition);
    pthread_mutex_unlock(&thread->machine.mutex);
}

bool kp_machine_thread_handoff(kp_thread_t *to, kp_time_t deadline)
{
    kp_machine_thread_unpark(to);
    return kp_machine_thread_park(deadline);
}

void kp_machine_thread_set_policy(kp_thread_t *thread, const kp_job_policy_t *policy)
{
    atomic_store(&thread->machine.band, policy->band);
}

void kp_machine_thread_unpark_lent(kp_thread_t *thread)
{
    kp_machine_thread_unpark(thread);
}

uint32_t kp_machine_thread_lent(void)
{
    const kp_thread_t *current = kp_machine_thread_current();
    return current ? atomic_load(&current->machine.lent) : 0;
}

void kp_machine_thread_lent_keep(bool keep)
{
    atomic_store(&kp_machine_thread_current()->machine.keeps_lent, keep);
}

void kp_machine_thread_set_cap(kp_thread_t *thread, kp_sched_cap_t *cap)
{
    (void)thread;
    (void)cap;
}

uint64_t kp_machine_thread_cpu_time(kp_thread_t *thread)
{
    return atomic_load(&thread->cpu_time_ns);
}

/* Programs of the tests make their calls from threads of the test: only who asks could stop them. */
static void suspended_set(kp_thread_t *thread, bool suspended)
{
    kp_machine_thread_t *machine = &thread->machine;
    pthread_mutex_lock(&start_mutex);
    bool started = machine->started;
    if (started)
        pthread_mutex_lock(&machine->mutex);
    machine->suspended = suspended;
    if (started) {
        pthread_cond_broadcast(&machine->condition);
        pthread_mutex_unlock(&machine->mutex);
    }
    pthread_mutex_unlock(&start_mutex);
}

void kp_machine_thread_suspend(kp_thread_t *thread)
{
    suspended_set(thread, true);
}

void kp_machine_thread_resume(kp_thread_t *thread)
{
    suspended_set(thread, false);
}

static void *thread_main(void *argument)
{
    current = argument;
    current->machine.fn(current->machine.argument);
    kp_thread_ended(current);
    current = NULL;
    pthread_mutex_lock(&threads_mutex);
    threads_running--;
    pthread_cond_broadcast(&threads_condition);
    pthread_mutex_unlock(&threads_mutex);
    return NULL;
}

kp_status_t kp_machine_thread_start(kp_thread_t *thread, void (*fn)(void *), void *argument)
{
    thread_prepare(thread);
    thread->machine.fn = fn;
    thread->machine.argument = argument;
    pthread_mutex_lock(&threads_mutex);
    threads_running++;
    pthread_mutex_unlock(&threads_mutex);
    pthread_t id;
    int error = pthread_create(&id, NULL, thread_main, thread);
    assert(error == 0);
    pthread_detach(id);
    return KP_OK;
}

void kp_test_join(void)
{
    pthread_mutex_lock(&threads_mutex);
    while (threads_running > 0)
        pthread_cond_wait(&threads_condition, &threads_mutex);
    pthread_mutex_unlock(&threads_mutex);
}

/* True: it was killed, and has ended now if it had not before. */
static bool end_if_killed(kp_thread_t *thread)
{
    kp_machine_thread_t *machine = &thread->machine;
    pthread_mutex_lock(&machine->mutex);
    bool killed = machine->killed, ends = killed && !machine->ended && !machine->in_call;
    machine->ended = machine->ended || ends;
    pthread_mutex_unlock(&machine->mutex);
    if (ends)
        kp_thread_ended(thread);
    return killed;
}

kp_status_t kp_machine_thread_start_further(kp_thread_t *thread, kp_process_t *process,
                                            uint64_t entry, uint64_t argument)
{
    (void)process;
    (void)entry;
    (void)argument;
    void *memory = kp_kalloc(1); /* what a stack would be: may fail */
    if (!memory)
        return KP_ERR_NO_MEMORY;
    kp_kfree(memory);
    thread_prepare(thread);
    (void)end_if_killed(thread);
    return KP_OK;
}

static void program_main(void *argument)
{
    kp_process_t *process = argument;
    /* The host thread is a kernel thread of its own; its calls are the process's. */
    kp_test_program(process);
    kp_object_release(&process->object);
}

kp_status_t kp_machine_thread_start_user(kp_thread_t *thread, kp_process_t *process)
{
    thread_prepare(thread);
    if (end_if_killed(thread) || !kp_test_program)
        return KP_OK;
    kp_object_acquire(&process->object);
    kp_status_t status = kp_thread_create("program", program_main, process, NULL);
    if (status != KP_OK)
        kp_object_release(&process->object);
    return status;
}

void kp_machine_thread_kill(kp_thread_t *thread)
{
    kp_machine_thread_t *machine = &thread->machine;
    pthread_mutex_lock(&start_mutex);
    bool started = machine->started;
    if (!started)
        machine->killed = true; /* it ends when it is started */
    pthread_mutex_unlock(&start_mutex);
    if (!started)
        return;
    pthread_mutex_lock(&machine->mutex);
    machine->killed = true;
    pthread_cond_broadcast(&machine->condition);
    pthread_mutex_unlock(&machine->mutex);
    (void)end_if_killed(thread);
}

bool kp_test_call_enter(kp_thread_t *thread)
{
    kp_machine_thread_t *machine = &thread->machine;
    pthread_mutex_lock(&machine->mutex);
    while (machine->suspended && !machine->killed) /* it makes no call meanwhile */
        pthread_cond_wait(&machine->condition, &machine->mutex);
    machine->in_call = !machine->killed;
    bool may = machine->in_call;
    pthread_mutex_unlock(&machine->mutex);
    return may;
}

void kp_test_call_leave(kp_thread_t *thread)
{
    pthread_mutex_lock(&thread->machine.mutex);
    thread->machine.in_call = false;
    pthread_mutex_unlock(&thread->machine.mutex);
    (void)end_if_killed(thread);
}

int64_t kp_test_thread_call6(kp_thread_t *thread, uint32_t number, const uint64_t arguments[6])
{
    if (!kp_test_call_enter(thread))
        return KP_ERR_PROCESS_DEAD;
    kp_thread_t *outer = current;
    current = thread;
    int64_t result = kp_syscall_dispatch(number, arguments);
    current = outer;
    kp_test_call_leave(thread);
    return result;
}

kp_thread_t *kp_test_thread(kp_process_t *process)
{
    for (uint32_t slot = 0; slot < KP_PROCESS_THREADS_MAX; slot++) {
        kp_thread_t *thread = kp_process_thread_at(process, slot);
        if (thread)
            return thread;
    }
    return NULL;
}

int64_t kp_test_call6(kp_process_t *process, uint32_t number, const uint64_t arguments[6])
{
    kp_thread_t *thread = kp_test_thread(process);
    if (!thread)
        return KP_ERR_PROCESS_DEAD;
    int64_t result = kp_test_thread_call6(thread, number, arguments);
    kp_object_release(&thread->object);
    return result;
}

int64_t kp_test_call6_beside(kp_process_t *process, uint32_t number, const uint64_t arguments[6])
{
    kp_process_t *own = current->process;
    current->process = process;
    int64_t result = kp_syscall_dispatch(number, arguments);
    current->process = own;
    return result;
}

/* ---- VMOs ---- */

#define VMO_VIEW ((uint64_t)1 << 32)

kp_status_t kp_machine_vmo_init(kp_machine_vmo_t *vmo, uint64_t size)
{
    vmo->fd = memfd_create("vmo", MFD_CLOEXEC);
    if (vmo->fd < 0)
        return KP_ERR_NO_MEMORY;
    void *bytes = MAP_FAILED;
    if (ftruncate(vmo->fd, (off_t)size) == 0)
        bytes =
            mmap(NULL, VMO_VIEW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, vmo->fd, 0);
    if (bytes == MAP_FAILED) {
        close(vmo->fd);
        return KP_ERR_NO_MEMORY;
    }
    vmo->bytes = bytes;
    vmo->size = size;
    vmo->is_static = false;
    atomic_init(&vmo->is_pinned, false);
    return KP_OK;
}

kp_status_t kp_machine_vmo_init_static(kp_machine_vmo_t *vmo, const void *bytes, uint64_t size)
{
    kp_status_t status = kp_machine_vmo_init(vmo, size);
    if (status == KP_OK)
        memcpy(vmo->bytes, bytes, size);
    vmo->is_static = true;
    return status;
}

kp_status_t kp_machine_vmo_init_filled(kp_machine_vmo_t *vmo, uint64_t size, kp_vmo_fill_fn fill,
                                       const void *context)
{
    kp_status_t status = kp_machine_vmo_init(vmo, size);
    for (uint64_t at = 0; at < size && status == KP_OK; at += KP_PAGE_SIZE)
        fill(context, at, vmo->bytes + at);
    vmo->is_static = true;
    return status;
}

kp_status_t kp_machine_vmo_init_contiguous(kp_machine_vmo_t *vmo, uint64_t size)
{
    kp_status_t status = kp_machine_vmo_init(vmo, size);
    atomic_init(&vmo->is_pinned, true);
    return status;
}

void kp_machine_vmo_destroy(kp_machine_vmo_t *vmo)
{
    munmap(vmo->bytes, VMO_VIEW);
    close(vmo->fd);
}

static bool vmo_has(const kp_machine_vmo_t *vmo, uint64_t offset, uint64_t count)
{
    uint64_t size = vmo->size;
    return offset <= size && count <= size - offset;
}

kp_status_t kp_machine_vmo_read(kp_machine_vmo_t *vmo, uint64_t offset, void *to, size_t count)
{
    if (!vmo_has(vmo, offset, count))
        return KP_ERR_OUT_OF_RANGE;
    /* Not through the view, where looking at a page that has no data makes one. */
    ssize_t done = pread(vmo->fd, to, count, (off_t)offset);
    assert(done == (ssize_t)count);
    (void)done;
    return KP_OK;
}

kp_status_t kp_machine_vmo_write(kp_machine_vmo_t *vmo, uint64_t offset, const void *from,
                                 size_t count)
{
    if (!vmo_has(vmo, offset, count))
        return KP_ERR_OUT_OF_RANGE;
    memcpy(vmo->bytes + offset, from, count);
    return KP_OK;
}

kp_status_t kp_machine_vmo_clone(kp_machine_vmo_t *source, uint64_t offset, uint64_t length,
                                 kp_machine_vmo_t *clone)
{
    if (atomic_load(&source->is_pinned))
        return KP_ERR_BAD_STATE;
    if (!vmo_has(source, offset, length))
        return KP_ERR_OUT_OF_RANGE;
    kp_status_t status = kp_machine_vmo_init(clone, length);
    if (status == KP_OK)
        memcpy(clone->bytes, source->bytes + offset, length);
    return status;
}

static void vmo_punch(kp_machine_vmo_t *vmo, uint64_t offset, uint64_t length)
{
    int error = fallocate(vmo->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                          (off_t)length);
    assert(error == 0);
    (void)error;
}

kp_status_t kp_machine_vmo_decommit(kp_machine_vmo_t *vmo, uint64_t offset, uint64_t length)
{
    assert(!vmo->is_static);
    if (atomic_load(&vmo->is_pinned))
        return KP_ERR_BAD_STATE;
    if (!vmo_has(vmo, offset, length))
        return KP_ERR_OUT_OF_RANGE;
    vmo_punch(vmo, offset, length);
    return KP_OK;
}

kp_status_t kp_machine_vmo_resize(kp_machine_vmo_t *vmo, uint64_t size)
{
    assert(!vmo->is_static);
    struct stat info;
    if (atomic_load(&vmo->is_pinned))
        return KP_ERR_BAD_STATE;
    if (size < vmo->size)
        vmo_punch(vmo, size, vmo->size - size);
    if (fstat(vmo->fd, &info) != 0 ||
        ((uint64_t)info.st_size < size && ftruncate(vmo->fd, (off_t)size) != 0))
        return KP_ERR_NO_MEMORY;
    vmo->size = size;
    return KP_OK;
}

kp_status_t kp_machine_vmo_seal_write(kp_machine_vmo_t *vmo)
{
    return atomic_load(&vmo->is_pinned) ? KP_ERR_BAD_STATE : KP_OK;
}

void *kp_machine_vmo_page(kp_machine_vmo_t *vmo, uint64_t offset)
{
    if (!vmo->is_static) /* those are everybody's */
        atomic_store(&vmo->is_pinned, true);
    return vmo->bytes + offset;
}

uint64_t kp_machine_vmo_committed(const kp_machine_vmo_t *vmo)
{
    struct stat info;
    return fstat(vmo->fd, &info) == 0 ? (uint64_t)info.st_blocks * 512 : 0;
}

void kp_machine_vmo_usage(kp_machine_vmo_t *vmo, uint64_t *private_bytes, uint64_t *shared_bytes)
{
    *private_bytes = kp_machine_vmo_committed(vmo);
    *shared_bytes = 0;
}

/* ---- Spaces ---- */

kp_status_t kp_machine_space_create(kp_machine_space_t *space, const kp_image_t *image,
                                    uint32_t initial_pages, uint32_t maximum_pages)
{
    (void)image;
    uint64_t reserve = KP_MAX((uint64_t)maximum_pages, 1u) * KP_WASM_PAGE_SIZE;
    void *memory =
        mmap(NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *read_only = kp_kalloc(reserve / KP_PAGE_SIZE);
    if (memory == MAP_FAILED || !read_only) {
        if (memory != MAP_FAILED)
            munmap(memory, reserve);
        kp_kfree(read_only);
        return KP_ERR_NO_MEMORY;
    }
    space->memory = memory;
    space->read_only = read_only;
    space->reserve = reserve;
    return kp_machine_space_grow(space, 0, initial_pages);
}

struct kp_test_code {
    struct kp_test_code *next;
    uint8_t *address;
    uint64_t length;
};

kp_status_t kp_machine_space_map_code(kp_machine_space_t *space, kp_vmo_t *vmo, uint64_t length,
                                      uint64_t *address)
{
    assert(length == vmo->size);
    struct kp_test_code *code = kp_kalloc(sizeof(*code));
    if (!code)
        return KP_ERR_NO_MEMORY;
    void *at = mmap(NULL, length, PROT_READ | PROT_EXEC, MAP_SHARED, vmo->machine.fd, 0);
    if (at == MAP_FAILED) {
        kp_kfree(code);
        return KP_ERR_NO_MEMORY;
    }
    *code = (struct kp_test_code){.address = at, .length = length};
    *address = (uint64_t)code->address;
    kp_spin_lock(&space->lock);
    code->next = space->codes;
    space->codes = code;
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

kp_status_t kp_machine_space_unmap_code(kp_machine_space_t *space, uint64_t address,
                                        uint64_t length)
{
    kp_spin_lock(&space->lock);
    struct kp_test_code **link = &space->codes;
    while (*link && (uint64_t)(*link)->address != address)
        link = &(*link)->next;
    struct kp_test_code *code = *link;
    assert(code && code->length == length);
    *link = code->next;
    kp_spin_unlock(&space->lock);
    munmap(code->address, length);
    kp_kfree(code);
    return KP_OK;
}

struct kp_test_guests {
    struct {
        uint8_t *address;
        uint64_t reserve, size;
    } slots[KP_GUESTS_MAX];
};

kp_status_t kp_machine_space_guest_create(kp_machine_space_t *space, uint32_t slot,
                                          uint64_t reserve, uint64_t *address)
{
    assert(slot < KP_GUESTS_MAX && reserve > 0 && reserve <= KP_GUEST_RESERVE_MAX);
    if (!space->guests)
        space->guests = kp_kalloc(sizeof(*space->guests));
    if (!space->guests)
        return KP_ERR_NO_MEMORY;
    assert(!space->guests->slots[slot].address);
    void *at = mmap(NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return KP_ERR_NO_MEMORY;
    space->guests->slots[slot].address = at;
    space->guests->slots[slot].reserve = reserve;
    *address = (uint64_t)at;
    return KP_OK;
}

kp_status_t kp_machine_space_guest_grow(kp_machine_space_t *space, uint32_t slot, uint64_t old_size,
                                        uint64_t size)
{
    assert(space->guests->slots[slot].size == old_size && old_size < size &&
           size <= space->guests->slots[slot].reserve);
    if (mprotect(space->guests->slots[slot].address + old_size, size - old_size,
                 PROT_READ | PROT_WRITE) != 0)
        return KP_ERR_NO_MEMORY;
    space->guests->slots[slot].size = size;
    return KP_OK;
}

kp_status_t kp_machine_space_guest_destroy(kp_machine_space_t *space, uint32_t slot)
{
    assert(space->guests->slots[slot].address);
    munmap(space->guests->slots[slot].address, space->guests->slots[slot].reserve);
    memset(&space->guests->slots[slot], 0, sizeof(space->guests->slots[slot]));
    return KP_OK;
}

kp_status_t kp_machine_space_guest_handler(kp_machine_space_t *space, uint64_t entry)
{
    kp_spin_lock(&space->lock);
    space->handler = entry;
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

void kp_machine_space_destroy(kp_machine_space_t *space)
{
    for (uint32_t i = 0; space->guests && i < KP_GUESTS_MAX; i++) {
        if (space->guests->slots[i].address)
            (void)kp_machine_space_guest_destroy(space, i);
    }
    kp_kfree(space->guests);
    space->guests = NULL;
    while (space->codes)
        (void)kp_machine_space_unmap_code(space, (uint64_t)space->codes->address,
                                          space->codes->length);
    munmap(space->memory, space->reserve);
    kp_kfree(space->read_only);
}

kp_status_t kp_machine_space_grow(kp_machine_space_t *space, uint32_t old_pages, uint32_t new_pages)
{
    uint64_t from = (uint64_t)old_pages * KP_WASM_PAGE_SIZE;
    uint64_t to = (uint64_t)new_pages * KP_WASM_PAGE_SIZE;
    assert(to <= space->reserve && from <= to);
    if (to > from && mprotect(space->memory + from, to - from, PROT_READ | PROT_WRITE) != 0)
        return KP_ERR_NO_MEMORY;
    kp_spin_lock(&space->lock);
    space->size = to;
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

/* What shows in a range changes in one step for copies, which hold the same lock. */
static kp_status_t show(kp_machine_space_t *space, uint32_t address, uint32_t length,
                        int protection, int flags, int file, uint64_t offset)
{
    kp_spin_lock(&space->lock);
    void *at =
        mmap(space->memory + address, length, protection, flags | MAP_FIXED, file, (off_t)offset);
    if (at != MAP_FAILED)
        memset(space->read_only + address / KP_PAGE_SIZE, !(protection & PROT_WRITE),
               length / KP_PAGE_SIZE);
    kp_spin_unlock(&space->lock);
    return at == MAP_FAILED ? KP_ERR_NO_MEMORY : KP_OK;
}

kp_status_t kp_machine_space_map(kp_machine_space_t *space, uint32_t address, kp_vmo_t *vmo,
                                 uint64_t offset, uint32_t length, bool writable)
{
    assert(address + (uint64_t)length <= space->size && offset + length <= vmo->size);
    return show(space, address, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
                vmo->machine.fd, offset);
}

kp_status_t kp_machine_space_unmap(kp_machine_space_t *space, uint32_t address, uint32_t length)
{
    assert(address + (uint64_t)length <= space->size);
    return show(space, address, length, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

kp_status_t kp_machine_space_copy_in(kp_machine_space_t *space, void *to, uint32_t address,
                                     size_t count)
{
    kp_spin_lock(&space->lock);
    assert(address + (uint64_t)count <= space->size);
    /* A word that the program's threads change meanwhile (a futex): as the processor reads it. */
    if (count == sizeof(uint32_t) && address % sizeof(uint32_t) == 0)
        *(uint32_t *)to = atomic_load((_Atomic uint32_t *)(space->memory + address));
    else
        memcpy(to, space->memory + address, count);
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

/* lock is held. */
static kp_status_t copy_out(kp_machine_space_t *space, uint32_t address, const void *from,
                            size_t count)
{
    assert(count > 0 && address + (uint64_t)count <= space->size);
    for (uint64_t page = address / KP_PAGE_SIZE; page * KP_PAGE_SIZE < address + count; page++) {
        if (space->read_only[page])
            return KP_ERR_BAD_ADDRESS;
    }
    memmove(space->memory + address, from, count); /* of the same process: they may overlap */
    return KP_OK;
}

kp_status_t kp_machine_space_copy_out(kp_machine_space_t *space, uint32_t address, const void *from,
                                      size_t count)
{
    kp_spin_lock(&space->lock);
    kp_status_t status = copy_out(space, address, from, count);
    kp_spin_unlock(&space->lock);
    return status;
}

kp_status_t kp_machine_space_copy_across(kp_machine_space_t *from, uint32_t from_address,
                                         kp_machine_space_t *to, uint32_t address, size_t count)
{
    /* Sometimes not, as a machine may: by the address, so that it is the same in every run. */
    if (from_address / 64 % 4 == 0)
        return KP_ERR_NOT_SUPPORTED;
    kp_machine_space_t *first = from < to ? from : to, *second = from < to ? to : from;
    kp_spin_lock(&first->lock);
    if (second != first)
        kp_spin_lock(&second->lock);
    assert(from_address + (uint64_t)count <= from->size);
    kp_status_t status = copy_out(to, address, from->memory + from_address, count);
    if (second != first)
        kp_spin_unlock(&second->lock);
    kp_spin_unlock(&first->lock);
    return status;
}

void kp_machine_space_usage(kp_machine_space_t *space, uint64_t *private_bytes,
                            uint64_t *shared_bytes)
{
    *private_bytes = space->size;
    *shared_bytes = 0;
}

uint64_t kp_machine_space_faults(const kp_machine_space_t *space)
{
    (void)space;
    return 0;
}

/* ---- Snapshots ---- */

kp_status_t kp_machine_space_freeze(kp_machine_space_t *space, kp_machine_snapshot_t *snapshot)
{
    uint8_t *copy = kp_kalloc(space->size + 1);
    if (!copy)
        return KP_ERR_NO_MEMORY;
    memcpy(copy, space->memory, space->size);
    *snapshot = (kp_machine_snapshot_t){copy, space->size, space->reserve};
    return KP_OK;
}

void kp_machine_snapshot_destroy(kp_machine_snapshot_t *snapshot)
{
    kp_kfree(snapshot->memory);
}

kp_status_t kp_machine_space_clone(kp_machine_space_t *space, kp_machine_snapshot_t *snapshot,
                                   const kp_image_t *image, const kp_mapping_t *mappings)
{
    kp_status_t status =
        kp_machine_space_create(space, image, (uint32_t)(snapshot->size / KP_WASM_PAGE_SIZE),
                                (uint32_t)(snapshot->reserve / KP_WASM_PAGE_SIZE));
    if (status != KP_OK)
        return status;
    memcpy(space->memory, snapshot->memory, snapshot->size);
    for (; mappings && status == KP_OK; mappings = mappings->next)
        status = kp_machine_space_map(space, (uint32_t)mappings->address, mappings->vmo,
                                      mappings->offset, (uint32_t)mappings->length, false);
    if (status != KP_OK)
        kp_machine_space_destroy(space);
    return status;
}

void kp_machine_snapshot_usage(kp_machine_snapshot_t *snapshot, uint64_t *private_bytes,
                               uint64_t *shared_bytes)
{
    *private_bytes = snapshot->size;
    *shared_bytes = 0;
}

void *kp_test_memory(kp_process_t *process, uint32_t offset)
{
    return process->space.memory + offset;
}
