/* The platform: Linux. Linear memories are reservations without access, opened as they grow; faults of
   compiled code on them become traps. Code is written to a memory file, which is sealed against writing and
   mapped executable then: no memory here is ever writable and executable, or was the one and becomes the other. */
#if defined(__linux__)
#include "runtime/instance/internal.h"
#include "runtime/instance/x86_64.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

void *kp_wasm_platform_reserve(uint64_t size)
{
    void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void *kp_wasm_platform_reserve_guarded(uint64_t size, bool shared)
{
    (void)shared;
    return kp_wasm_platform_reserve(size);
}

kp_status_t kp_wasm_platform_commit(void *at, uint64_t old, uint64_t size)
{
    return mprotect((char *)at + old, size - old, PROT_READ | PROT_WRITE) == 0 ? KP_OK
                                                                               : KP_ERR_NO_MEMORY;
}

void kp_wasm_platform_populate(void *at, uint64_t size)
{
    uintptr_t page = (uintptr_t)getpagesize(), begin = (uintptr_t)at & ~(page - 1);
    (void)madvise((void *)begin, (uintptr_t)at + size - begin, MADV_POPULATE_WRITE);
}

void kp_wasm_platform_release(void *at, uint64_t size)
{
    munmap(at, size);
}

static bool write_whole(int file, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(file, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

/* EBUSY while anybody has it mapped writable. */
static bool seal(int file)
{
    return fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
}

/* Shared, it can never be made writable again; before Linux 6.7 sealed files were private only. */
static void *map_code(int file, uint64_t offset, size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, file, (off_t)offset);
    if (at == MAP_FAILED)
        at = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

int kp_wasm_platform_sealed_file(const char *name, unsigned flags, const void *bytes, size_t size)
{
    int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    if (file >= 0 && write_whole(file, bytes, size) && seal(file))
        return file;
    if (file >= 0)
        close(file);
    return -1;
}

void *kp_wasm_platform_code_map(const void *code, size_t size)
{
    int file = kp_wasm_platform_sealed_file("kpio-code", 0, code, size);
    void *at = file >= 0 ? map_code(file, 0, size) : NULL;
    if (file >= 0)
        close(file);
    return at;
}

void *kp_wasm_platform_code_seal(int file, uint64_t offset, size_t size)
{
    return seal(file) ? map_code(file, offset, size) : NULL;
}

void kp_wasm_platform_code_unmap(void *code, size_t size)
{
    munmap(code, size);
}

/* ---- faults ---- */

#if defined(__x86_64__)
static struct sigaction fault_before[2]; /* SEGV, BUS */

static void fault(int number, siginfo_t *information, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const void *pc = (const void *)(uintptr_t)registers[REG_RIP];
    const void *r14 = (const void *)(uintptr_t)registers[REG_R14];
    if (kp_wasm_x86_is_trap(pc, r14, information->si_addr)) {
        registers[REG_RSI] = registers[REG_RIP] + 1;
        registers[REG_RDI] = KP_WASM_TRAP_MEMORY_BOUNDS;
        registers[REG_RIP] = (greg_t)(uintptr_t)kp_wasm_x86_fault;
        return;
    }
    /* Not ours: whoever was there before, or the default by returning to the fault. */
    struct sigaction *before = &fault_before[number == SIGBUS];
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(number, information, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(number);
    else
        sigaction(number, before, NULL);
}

static pthread_once_t guard_once = PTHREAD_ONCE_INIT;
static bool guard_works;

static void guard_install(void)
{
    struct sigaction action = {.sa_sigaction = fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    guard_works = sigaction(SIGSEGV, &action, &fault_before[0]) == 0 &&
                  sigaction(SIGBUS, &action, &fault_before[1]) == 0;
}

bool kp_wasm_platform_guard(void)
{
    pthread_once(&guard_once, guard_install);
    return guard_works;
}
#else
bool kp_wasm_platform_guard(void)
{
    return false;
}
#endif

/* ---- memory.atomic.wait and notify ----
   One lock for all: the waits are long and rare, and a waiter must be found by its address. */

typedef struct kp_wasm_waiter {
    const void *address;
    bool woken;
    pthread_cond_t condition;
    struct kp_wasm_waiter *next, *previous; /* in order of arrival */
} kp_wasm_waiter_t;

static pthread_mutex_t waiters_lock = PTHREAD_MUTEX_INITIALIZER;
static kp_wasm_waiter_t waiters = {.next = &waiters, .previous = &waiters};

uint32_t kp_wasm_platform_wait(const void *address, uint64_t expected, unsigned width,
                               int64_t timeout_ns)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    if (timeout_ns >= 0) {
        int64_t nanoseconds = deadline.tv_nsec + timeout_ns % 1000000000;
        deadline.tv_sec += timeout_ns / 1000000000 + nanoseconds / 1000000000;
        deadline.tv_nsec = nanoseconds % 1000000000;
    }
    pthread_mutex_lock(&waiters_lock);
    uint64_t now = width == 4 ? __atomic_load_n((const uint32_t *)address, __ATOMIC_SEQ_CST)
                              : __atomic_load_n((const uint64_t *)address, __ATOMIC_SEQ_CST);
    if (now != expected) {
        pthread_mutex_unlock(&waiters_lock);
        return 1;
    }
    kp_wasm_waiter_t self = {.address = address, .next = &waiters, .previous = waiters.previous};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self.condition, &attributes);
    pthread_condattr_destroy(&attributes);
    self.previous->next = self.next->previous = &self;
    int error = 0;
    while (!self.woken && error != ETIMEDOUT)
        error = timeout_ns < 0 ? pthread_cond_wait(&self.condition, &waiters_lock)
                               : pthread_cond_timedwait(&self.condition, &waiters_lock, &deadline);
    if (!self.woken) {
        self.previous->next = self.next;
        self.next->previous = self.previous;
    }
    pthread_cond_destroy(&self.condition);
    pthread_mutex_unlock(&waiters_lock);
    return self.woken ? 0 : 2;
}

uint32_t kp_wasm_platform_notify(const void *address, uint32_t count)
{
    uint32_t woken = 0;
    pthread_mutex_lock(&waiters_lock);
    for (kp_wasm_waiter_t *waiter = waiters.next, *next; waiter != &waiters && woken < count;
         waiter = next) {
        next = waiter->next;
        if (waiter->address != address)
            continue;
        waiter->previous->next = waiter->next;
        waiter->next->previous = waiter->previous;
        waiter->woken = true;
        pthread_cond_signal(&waiter->condition);
        woken++;
    }
    pthread_mutex_unlock(&waiters_lock);
    return woken;
}
#endif
