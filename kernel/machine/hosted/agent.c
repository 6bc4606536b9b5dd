/* The kernel's word to a process's agent (sandbox_agent.c). An order stands in memory that the process
   cannot write; that it was carried out is said over a socket that its program cannot use. */
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/machine/hosted/lane.h"
#include "kernel/machine/hosted/sandbox.h"

/* How many milliseconds a thread may need that says it has gone. */
#define LEAVING_ROUNDS 2000

static bool is_gone(const kp_hosted_child_t *child)
{
    return atomic_load(&child->is_dead) || atomic_load(&child->is_killed);
}

/* Takes the file that the process sent before all else. The message stays until there is a descriptor for
   it. order_lock is held. */
static kp_status_t take_memory_file(kp_hosted_child_t *child)
{
    char word;
    int file = -1;
    size_t count = 1;
    if (!child->lends_memory || atomic_load(&child->memory_file) >= 0)
        return KP_OK;
    if (is_gone(child) ||
        kp_hosted_receive(child->control_fd, &word, 1, &file, &count, MSG_PEEK) != 1)
        return KP_ERR_PROCESS_DEAD;
    if (count == 0) {
        kp_hosted_files_short();
        return KP_ERR_NO_MEMORY;
    }
    (void)recv(child->control_fd, &word, 1, 0);
    atomic_store(&child->memory_file, file);
    return KP_OK;
}

kp_status_t kp_hosted_child_memory(kp_hosted_child_t *child, int *file)
{
    kp_status_t status = KP_ERR_PROCESS_DEAD;
    if (child && atomic_load(&child->memory_file) < 0) {
        kp_spin_lock(&child->order_lock);
        status = take_memory_file(child);
        kp_spin_unlock(&child->order_lock);
    } else if (child) {
        status = KP_OK;
    }
    *file = child ? atomic_load(&child->memory_file) : -1;
    return status;
}

/* Has the agent make the calls, with the file if fd >= 0. */
static kp_status_t order(kp_hosted_child_t *child, const kp_order_call_t *calls, uint32_t count,
                         int fd)
{
    kp_orders_t *orders = kp_area_orders(child->area);
    uint8_t made = 0;
    kp_spin_lock(&child->order_lock);
    kp_status_t status = take_memory_file(child);
    if (status != KP_OK) {
        kp_spin_unlock(&child->order_lock);
        return status;
    }
    orders->call_count = count;
    orders->closes_file = fd >= 0;
    for (uint32_t i = 0; i < count; i++)
        orders->calls[i] = calls[i];
    ssize_t got = -1;
    if (!is_gone(child) && kp_hosted_send(child->control_fd, "o", 1, &fd, fd >= 0) == 1) {
        do
            got = recv(child->control_fd, &made, 1, 0);
        while (got < 0 && errno == EINTR);
    }
    kp_spin_unlock(&child->order_lock);
    if (got != 1 || is_gone(child))
        return KP_ERR_PROCESS_DEAD;
    return made == count ? KP_OK : KP_ERR_NO_MEMORY;
}

static kp_order_call_t map_call(uint64_t address, uint64_t length, int protection, int file,
                                uint64_t offset)
{
    return (kp_order_call_t){
        SYS_mmap,
        {address, length, (uint64_t)protection, MAP_SHARED | MAP_FIXED, (uint64_t)file, offset}};
}

/* It only grows: good enough to keep what the sandbox writes itself away from them. */
void kp_hosted_orders_note_read_only(kp_orders_t *orders, uint64_t first, uint64_t length)
{
    bool is_first = orders->read_only_first >= orders->read_only_end;
    orders->read_only_first = is_first ? first : KP_MIN(orders->read_only_first, first);
    orders->read_only_end = KP_MAX(orders->read_only_end, first + length);
}

kp_status_t kp_hosted_child_map(kp_hosted_child_t *child, uint32_t address, uint32_t length, int fd,
                                uint64_t offset, bool is_writable)
{
    const kp_order_call_t call = map_call(
        child->layout.memory + address, length, is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
        fd >= 0 ? KP_SANDBOX_ORDER_FILE : KP_SANDBOX_MEMORY_FILE, offset);
    kp_status_t status = order(child, &call, 1, fd);
    if (status == KP_OK && !is_writable)
        kp_hosted_orders_note_read_only(kp_area_orders(child->area), address, length);
    return status;
}

kp_status_t kp_hosted_child_map_code(kp_hosted_child_t *child, uint64_t address, uint64_t length,
                                     int fd, uint64_t offset)
{
    const kp_order_call_t call =
        map_call(address, length, PROT_READ | PROT_EXEC, KP_SANDBOX_ORDER_FILE, offset);
    return order(child, &call, 1, fd);
}

kp_status_t kp_hosted_child_unmap_code(kp_hosted_child_t *child, uint64_t address, uint64_t length)
{
    return kp_hosted_child_unmap(child, address, length);
}

kp_status_t kp_hosted_child_map_zeroes(kp_hosted_child_t *child, uint64_t address, uint64_t length)
{
    const kp_order_call_t call = {SYS_mmap,
                                  {address, length, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
                                   UINT64_MAX}};
    return order(child, &call, 1, -1);
}

kp_status_t kp_hosted_child_unmap(kp_hosted_child_t *child, uint64_t address, uint64_t length)
{
    const kp_order_call_t call = {SYS_munmap, {address, length}};
    return order(child, &call, 1, -1);
}

/* ---- threads ---- */

/* Waits until Linux says that the process has no more threads than those we know, and the agent. One that
   was told to leave may be on its way out; one that said it had gone and had not would be one too many. */
static bool has_only_known_threads(kp_hosted_child_t *child)
{
    char path[32];
    struct stat info;
    for (int i = 0; i < LEAVING_ROUNDS && !is_gone(child); i++) {
        kp_spin_lock(&child->lock);
        uint32_t known = child->living + 1; /* others may end threads meanwhile */
        kp_spin_unlock(&child->lock);
        int pid = kp_hosted_child_pid(child);
        kp_snprintf(path, sizeof(path), "/proc/%d/task", pid);
        /* Two links more than threads. */
        if (pid > 0 && (stat(path, &info) != 0 || info.st_nlink <= known + 2))
            return true;
        const struct timespec pause = {.tv_nsec = KP_NS_PER_MS};
        nanosleep(&pause, NULL);
    }
    return false;
}

static void write_birth(kp_hosted_child_t *child, uint32_t slot, uint64_t entry, uint64_t argument)
{
    kp_birth_t *birth = kp_area_birth(child->area, slot);
    uint64_t stack = kp_hosted_layout_stack(&child->layout, slot);
    /* Where the process sees the words that its calls point to. */
    uint64_t data =
        kp_hosted_layout_area(&child->layout) + (uint64_t)((uint8_t *)birth->data - child->area);
    enum { STACK = 0, SIGNALS = 3, FILTER = 4 };
    const stack_t signal_stack = {.ss_sp = (void *)(stack + KP_IMAGE_STACK_SIZE),
                                  .ss_size = KP_HOSTED_SIGNAL_STACK};
    const struct sock_fprog filter = kp_sandbox_filter_program();
    *birth = (kp_birth_t){
        .calls = {{SYS_sigaltstack, {data + STACK * sizeof(uint64_t), 0}},
                  {SYS_arch_prctl, {ARCH_SET_GS, (uint64_t)kp_sandbox_thread(slot)}},
                  {SYS_rt_sigprocmask,
                   {SIG_SETMASK, data + SIGNALS * sizeof(uint64_t), 0, sizeof(uint64_t)}},
                  {SYS_seccomp, {SECCOMP_SET_MODE_FILTER, 0, data + FILTER * sizeof(uint64_t)}}},
        .call_count = 4,
        .rip = (uint64_t)kp_sandbox_thread_enter,
        .rdi = slot,
        .rsi = entry,
        .rdx = argument,
        .mxcsr = 0x1f80,
        .x87_control = 0x37f,
    };
    memcpy(&birth->data[STACK], &signal_stack, sizeof(signal_stack));
    memcpy(&birth->data[FILTER], &filter, sizeof(filter));
}

static kp_order_call_t stack_call(const kp_hosted_child_t *child, uint32_t slot, bool is_there)
{
    uint64_t stack = kp_hosted_layout_stack(&child->layout, slot);
    uint64_t length = KP_IMAGE_STACK_SIZE + KP_HOSTED_SIGNAL_STACK;
    if (!is_there)
        return (kp_order_call_t){SYS_munmap, {stack, length}};
    return (kp_order_call_t){SYS_mmap,
                             {stack, length, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, UINT64_MAX}};
}

/* start_lock is held: no thread is counted that does not exist yet, or never will. */
static kp_status_t start_thread(kp_hosted_child_t *child, uint32_t slot, uint64_t entry,
                                uint64_t argument)
{
    if (!has_only_known_threads(child)) {
        kp_hosted_child_kill(child);
        return KP_ERR_PROCESS_DEAD;
    }
    kp_call_page_t *page = kp_area_page(child->area, slot);
    memset(page, 0, sizeof(*page));
    write_birth(child, slot, entry, argument);
    uint32_t slots = atomic_load(&child->slots);
    while (slots <= slot && !atomic_compare_exchange_weak(&child->slots, &slots, slot + 1))
        ;
    uint64_t area = kp_hosted_layout_area(&child->layout);
    uint64_t number_at = area + (uint64_t)((uint8_t *)&page->host_thread - child->area);
    uint64_t birth_at =
        area + (uint64_t)((uint8_t *)kp_area_birth(child->area, slot) - child->area);
    /* As if kp_sandbox_thread_enter had been called. */
    uint64_t top =
        kp_hosted_layout_stack(&child->layout, slot) + KP_IMAGE_STACK_SIZE - sizeof(uint64_t);
    const kp_order_call_t calls[] = {
        stack_call(child, slot, true),
        {SYS_clone, {KP_SANDBOX_CLONE_FLAGS, top, number_at, number_at, birth_at}},
    };
    kp_spin_lock(&child->lock);
    child->living++;
    kp_spin_unlock(&child->lock);
    kp_status_t status = order(child, calls, KP_ARRAY_COUNT(calls), -1);
    if (status == KP_OK)
        return KP_OK;
    const kp_order_call_t back = stack_call(child, slot, false);
    (void)order(child, &back, 1, -1);
    kp_spin_lock(&child->lock);
    child->living--;
    kp_spin_unlock(&child->lock);
    return status;
}

kp_status_t kp_hosted_child_thread_start(kp_hosted_child_t *child, uint32_t slot, uint64_t entry,
                                         uint64_t argument)
{
    kp_spin_lock(&child->start_lock);
    kp_status_t status = start_thread(child, slot, entry, argument);
    kp_spin_unlock(&child->start_lock);
    return status;
}

void kp_hosted_child_thread_end(kp_hosted_child_t *child, uint32_t slot)
{
    kp_call_page_t *page = kp_area_page(child->area, slot);
    const struct timespec patience = {.tv_nsec = 20 * KP_NS_PER_MS};
    for (;;) {
        uint32_t number = atomic_load(&page->host_thread);
        if (number == 0 || is_gone(child))
            break;
        kp_raw_syscall(SYS_futex, (long)&page->host_thread, FUTEX_WAIT, (long)number,
                       (long)&patience, 0, 0);
    }
    const kp_order_call_t call = stack_call(child, slot, false);
    (void)order(child, &call, 1, -1);
    kp_spin_lock(&child->lock);
    child->living--;
    kp_spin_unlock(&child->lock);
}

uint64_t kp_hosted_child_thread_time(kp_hosted_child_t *child, uint32_t slot)
{
    if (!atomic_load(&child->is_threaded))
        return kp_hosted_child_cpu_time(child);
    char text[64];
    int pid = kp_hosted_child_pid(child);
    /* The process can lie about which of its threads this is. */
    uint32_t number =
        slot == 0 ? (uint32_t)pid : atomic_load(&kp_area_page(child->area, slot)->host_thread);
    kp_snprintf(text, sizeof(text), "/proc/%d/task/%u/schedstat", pid, number);
    int file = open(text, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t count = read(file, text, sizeof(text) - 1);
    close(file);
    text[KP_MAX(count, 0)] = 0;
    return strtoull(text, NULL, 10);
}

/* ---- together with the first thread ---- */

/* Has the first thread do what its page's fields say. */
static kp_status_t act(kp_hosted_child_t *child)
{
    kp_call_page_t *page = child->page;
    kp_page_publish(page, KP_PAGE_ACTION);
    for (;;) {
        if (is_gone(child))
            return KP_ERR_PROCESS_DEAD;
        uint32_t state = kp_page_state(page);
        if (state == KP_PAGE_ACTED)
            break;
        if (state == KP_PAGE_FAULT)
            return KP_ERR_PROCESS_DEAD;
        if (state != KP_PAGE_ACTION) {
            /* It broke the protocol; whatever it is up to, it ends here. */
            kp_hosted_child_kill(child);
            return KP_ERR_PROCESS_DEAD;
        }
        kp_page_wait(page, KP_PAGE_ACTION, KP_PAGE_ACTION, &child->is_dead, &child->is_killed);
    }
    return page->action_result == KP_OK ? KP_OK : KP_ERR_NO_MEMORY;
}

kp_status_t kp_hosted_child_map_lane(kp_hosted_child_t *child, uint32_t slot, kp_handle_t handle,
                                     bool is_server, int fd)
{
    const kp_order_call_t call =
        map_call(kp_hosted_layout_lanes(&child->layout) + slot * KP_LANE_SIZE, KP_LANE_SIZE,
                 PROT_READ | PROT_WRITE, KP_SANDBOX_ORDER_FILE, 0);
    kp_status_t status = order(child, &call, 1, fd);
    if (status != KP_OK)
        return status;
    kp_call_page_t *page = child->page;
    page->action = KP_PAGE_ACTION_LANE;
    page->action_address = slot;
    page->action_length = handle;
    page->action_is_server = is_server;
    return act(child);
}

kp_status_t kp_hosted_child_freeze(kp_hosted_child_t *child, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return KP_ERR_NO_MEMORY;
    const kp_order_call_t call =
        map_call(child->layout.memory + KP_SANDBOX_SCRATCH_OFFSET, (uint64_t)info.st_size,
                 PROT_READ | PROT_WRITE, KP_SANDBOX_ORDER_FILE, 0);
    kp_status_t status = order(child, &call, 1, fd);
    if (status != KP_OK)
        return status;
    child->page->action = KP_PAGE_ACTION_FREEZE;
    return act(child);
}
