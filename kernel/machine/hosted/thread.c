/* Threads: every thread of the core is a pthread. A user thread's pthread serves the calls of its
   Linux process: it waits on the call page, dispatches, answers. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/calls.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/machine/hosted/spin.h"
#include "kernel/object/process.h"
#include "kernel/object/thread.h"
#include "kernel/object/wait.h"
#include "kernel/syscall/adopt.h"

/* Address space only. getaddrinfo and SDL run on some of these. */
#define STACK_SIZE ((size_t)1 << 20)

static _Thread_local kp_thread_t *current;

kp_thread_t *kp_machine_thread_current(void)
{
    return current;
}

/* ---- park and unpark ---- */

/* A thread's token: nothing; unparked; it sleeps on the token; it sleeps on its call page. */
enum { EMPTY = 0, TOKEN = 1, SLEEPING = 2, ON_PAGE = 3 };

/* Guards machine.child, page and is_suspended of all threads; zero is free. */
static kp_spinlock_t child_lock;

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / KP_NS_PER_S, .tv_nsec = ns % KP_NS_PER_S};
}

/* Sleeps on the call page, for what its process does or the kernel pokes, and looks after the lanes
   on the way. The caller has loaded `seen` and looked around since. */
static void sleep_on_page(kp_hosted_child_t *child, uint32_t seen, int64_t host_deadline)
{
    int64_t until = current->slot == 0 ? kp_hosted_lanes_tend(child) : INT64_MAX;
    until = KP_MIN(until, host_deadline);
    struct timespec time = timespec_of(until);
    kp_page_sleep(current->machine.page, seen, until == INT64_MAX ? NULL : &time);
}

/* While a receive stands (lane.c) its process may call at any moment, which ends the wait. */
static bool park_standing(int64_t host_deadline)
{
    _Atomic uint32_t *token = &current->machine.token;
    kp_hosted_child_t *child = current->machine.child;
    for (;;) {
        if (atomic_exchange(token, EMPTY) == TOKEN)
            return true;
        uint32_t seen = atomic_load(&child->page->state), empty = EMPTY;
        if ((seen & KP_PAGE_STATE) != KP_PAGE_LANE || atomic_load(&child->is_dead)) {
            atomic_store(&current->machine.standing->wait->cancelled, KP_ERR_CANCELLED);
            return true;
        }
        if (host_deadline != INT64_MAX && kp_machine_now() + kp_hosted_boot_ns() >= host_deadline)
            return false;
        if (!atomic_compare_exchange_strong(token, &empty, ON_PAGE))
            continue;
        sleep_on_page(child, seen, host_deadline);
        uint32_t on_page = ON_PAGE;
        atomic_compare_exchange_strong(token, &on_page, EMPTY);
    }
}

/* Wakes it out of sleep_on_page; the thread may be ending and give up its child. */
static void poke(kp_thread_t *thread)
{
    kp_spin_lock(&child_lock);
    if (thread->machine.child)
        kp_page_poke(thread->machine.page);
    kp_spin_unlock(&child_lock);
}

bool kp_machine_thread_park(kp_time_t deadline)
{
    _Atomic uint32_t *token = &current->machine.token;
    int64_t host_deadline = 0;
    deadline = KP_MAX(deadline, 0); /* the host takes no time before its clock began */
    bool is_timed = deadline != KP_TIME_INFINITE &&
                    !__builtin_add_overflow(deadline, kp_hosted_boot_ns(), &host_deadline);
    if (current->machine.standing)
        return park_standing(is_timed ? host_deadline : INT64_MAX);
    struct timespec time = timespec_of(host_deadline);
    for (;;) {
        uint32_t state = EMPTY;
        if (!atomic_compare_exchange_strong(token, &state, SLEEPING) && state == TOKEN) {
            atomic_store(token, EMPTY);
            return true;
        }
        /* Against the monotonic clock, absolute; other wakers only set the token. */
        long result =
            kp_raw_syscall(SYS_futex, (long)token, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, SLEEPING,
                           is_timed ? (long)&time : 0, 0, (long)FUTEX_BITSET_MATCH_ANY);
        if (result == -ETIMEDOUT) {
            /* A token that came just now counts as in time. */
            return atomic_exchange(token, EMPTY) == TOKEN;
        }
    }
}

void kp_machine_thread_unpark(kp_thread_t *thread)
{
    _Atomic uint32_t *token = &thread->machine.token;
    uint32_t old = atomic_exchange(token, TOKEN);
    if (old == SLEEPING)
        kp_raw_syscall(SYS_futex, (long)token, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    else if (old == ON_PAGE)
        poke(thread);
}

bool kp_machine_thread_handoff(kp_thread_t *to, kp_time_t deadline)
{
    kp_machine_thread_unpark(to);
    return kp_machine_thread_park(deadline);
}

void kp_machine_thread_set_policy(kp_thread_t *thread, const kp_job_policy_t *policy)
{
    (void)thread;
    (void)policy;
}

void kp_machine_thread_unpark_lent(kp_thread_t *thread)
{
    kp_machine_thread_unpark(thread);
}

uint32_t kp_machine_thread_lent(void)
{
    return 0;
}

void kp_machine_thread_lent_keep(bool keep)
{
    (void)keep;
}

void kp_machine_thread_set_cap(kp_thread_t *thread, kp_sched_cap_t *cap)
{
    (void)thread;
    (void)cap;
}

/* ---- kernel threads ---- */

static kp_status_t start(void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return KP_ERR_NO_MEMORY;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t handle;
    int error = pthread_create(&handle, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    return error ? KP_ERR_NO_MEMORY : KP_OK;
}

static void *run_kernel_thread(void *argument)
{
    current = argument;
    pthread_setname_np(pthread_self(), "kpio-kernel");
    current->machine.function(current->machine.argument);
    kp_thread_ended(current);
    return NULL;
}

kp_status_t kp_machine_thread_start(kp_thread_t *thread, void (*fn)(void *), void *argument)
{
    thread->machine.function = fn;
    thread->machine.argument = argument;
    return start(run_kernel_thread, thread);
}

void kp_hosted_thread_attach(kp_thread_t *thread)
{
    current = thread;
}

/* ---- user threads ---- */

static void log_place(const kp_process_t *process, int index, uint64_t address)
{
    char text[160];
    kp_hosted_symbol(process->image, address, text, sizeof(text));
    kp_log("process", KP_LOG_WARN, "%s:   #%d %s", process->name, index, text);
}

/* Where the process was, as it left it in the page. fault: also the instruction itself. */
static void log_backtrace(const kp_process_t *process, const kp_call_page_t *page, bool is_fault)
{
    int index = 0;
    if (is_fault)
        log_place(process, index++, page->fault_instruction);
    uint32_t count = KP_MIN(page->backtrace_count, KP_PAGE_BACKTRACE_MAX);
    for (uint32_t i = 0; i < count; i++)
        log_place(process, index++, page->backtrace[i]);
}

/* The name alone. */
static void name_function(const kp_image_t *image, uint64_t offset, char *text, size_t size)
{
    kp_hosted_symbol(image, offset, text, size);
    char *plus = strchr(text, '+');
    if (plus)
        *plus = 0;
    else
        text[0] = 0; /* a number */
}

/* Tells the core what the process left in the page. is_fault: the instruction itself too. */
static void fault_place(kp_process_t *process, const kp_call_page_t *page, bool is_fault)
{
    uint64_t places[1 + KP_PAGE_BACKTRACE_MAX];
    size_t count = 0, frames = KP_MIN(page->backtrace_count, KP_PAGE_BACKTRACE_MAX);
    if (is_fault)
        places[count++] = page->fault_instruction;
    for (size_t i = 0; i < frames; i++)
        places[count++] = page->backtrace[i] - 1; /* of a return address */
    kp_process_fault_place(process, places, count, name_function);
}

static bool has_fault(const kp_call_page_t *page)
{
    return page->fault_reason == KP_EXIT_TRAP || page->fault_reason == KP_EXIT_FAULT;
}

/* The page of the thread that faulted; the first thread's when none did. */
static const kp_call_page_t *fault_page(kp_hosted_child_t *child)
{
    for (uint32_t slot = 0; slot < atomic_load(&child->slots); slot++) {
        if (has_fault(kp_area_page(child->area, slot)))
            return kp_area_page(child->area, slot);
    }
    return child->page;
}

/* The process is dead and nobody here killed it: says why. Each of the threads that serve it does, for
   the first to leave decides; the log hears it once. */
static void report_death(kp_process_t *process, kp_hosted_child_t *child, bool has_started)
{
    const kp_call_page_t *page = fault_page(child);
    uint32_t reason = page->fault_reason;
    bool is_first = !atomic_exchange(&child->is_reported, true);
    if (has_fault(page)) {
        if (is_first) {
            kp_log("process", KP_LOG_WARN, "%s: %s %d at address 0x%llx", process->name,
                   reason == KP_EXIT_TRAP ? "trap" : "fault", page->fault_code,
                   (unsigned long long)page->fault_address);
            log_backtrace(process, page, true);
        }
        fault_place(process, page, true);
        kp_process_fault(process, reason, page->fault_code, page->fault_address);
    } else if (WIFSIGNALED(child->status)) {
        /* SIGSYS: the filter; SIGKILL: the host (out of memory, or a person). */
        int signal = WTERMSIG(child->status);
        if (is_first)
            kp_log("process", KP_LOG_WARN, "%s: ended by the host's signal %d", process->name,
                   signal);
        kp_process_fault(process, signal == SIGSYS ? KP_EXIT_FAULT : KP_EXIT_KILLED, signal, 0);
    } else {
        if (is_first)
            kp_log("process", KP_LOG_WARN, "%s: its host process exited (%d)", process->name,
                   WIFEXITED(child->status) ? WEXITSTATUS(child->status) : -1);
        kp_process_fault(process, has_started ? KP_EXIT_KILLED : KP_EXIT_NO_START, 0, 0);
    }
}

/* What its messages by lanes add to its own statistics. */
static void count_lane_messages(kp_hosted_child_t *child)
{
    uint64_t sent = atomic_exchange(&child->page->lane.messages, 0);
    atomic_fetch_add(&current->machine.process->messages_sent, sent);
}

/* A receive, perhaps after a reply. When nothing is there it may stand: true, and the process was
   answered so; false: *result. */
static bool serve_receive(uint32_t number, uint64_t arguments[6], int64_t *result)
{
    bool has_reply = number == KP_CALL_channel_reply_receive;
    kp_process_t *process = current->machine.process;
    kp_handle_t handle = (kp_handle_t)arguments[0];
    kp_time_t deadline = (kp_time_t)arguments[has_reply ? 3 : 2];
    if (atomic_load(&current->machine.child->is_threaded) || arguments[0] > UINT32_MAX ||
        deadline <= KP_TIME_POLL || !kp_hosted_lane_may_stand(process, handle)) {
        *result = kp_syscall_dispatch(number, arguments);
        return false;
    }
    arguments[has_reply ? 3 : 2] = KP_TIME_POLL;
    *result = kp_syscall_dispatch(number, arguments);
    if (*result != KP_ERR_TIMED_OUT)
        return false;
    if (kp_hosted_lane_stand(current->machine.child, process, handle, deadline))
        return true;
    uint64_t receive[6] = {handle, arguments[has_reply ? 2 : 1], (uint64_t)deadline};
    *result = kp_syscall_dispatch(KP_CALL_channel_receive, receive);
    return false;
}

/* One call: copies it out of the shared page once, dispatches, answers. */
static void serve_call(kp_hosted_child_t *child)
{
    kp_call_page_t *page = current->machine.page;
    uint32_t number = page->number;
    uint64_t arguments[6];
    memcpy(arguments, page->arguments, sizeof(arguments));
    if (number == KP_CALL_process_trap) {
        log_backtrace(current->machine.process, page, false);
        fault_place(current->machine.process, page, false);
    }
    if (current->slot == 0)
        count_lane_messages(child);
    int64_t result;
    if (number == KP_CALL_channel_receive || number == KP_CALL_channel_reply_receive) {
        if (serve_receive(number, arguments, &result))
            return;
    } else if (number == KP_PAGE_CALL_ADOPT) {
        result = kp_syscall_adopt(arguments, (kp_transaction_t)arguments[3]);
    } else {
        result = kp_syscall_dispatch(number, arguments);
    }
    if (kp_thread_is_dying(current))
        return; /* nobody waits for the answer */
    if (number == KP_CALL_channel_call && result == KP_OK)
        kp_hosted_lane_offer(child, current->machine.process, (kp_handle_t)arguments[0]);
    /* Now and then, for process_info. */
    if (++current->machine.calls % 64 == 0)
        current->cpu_time_ns = kp_hosted_child_thread_time(child, current->slot);
    page->result = result;
    atomic_store_explicit(&page->kernel_processor, kp_processor(), memory_order_relaxed);
    kp_page_publish(page, KP_PAGE_RUN);
}

/* Waits a little for the next call; false: none came. Only so many threads may at a time that a
   processor is left for who has work. */
static bool spin_for_call(kp_spin_t *spin, kp_call_page_t *page, uint32_t seen)
{
    static atomic_int spinning;
    static atomic_int most; /* 0: not asked yet */
    if (atomic_load_explicit(&most, memory_order_relaxed) == 0)
        atomic_store(&most, KP_MAX((int)sysconf(_SC_NPROCESSORS_ONLN) / 2, 1));
    bool came = false;
    if (atomic_fetch_add(&spinning, 1) < atomic_load_explicit(&most, memory_order_relaxed))
        came = kp_spin(spin, &page->state, seen, &page->process_processor);
    atomic_fetch_sub(&spinning, 1);
    return came;
}

/* Serves the process's thread until it or the process ends. */
static void serve(kp_hosted_child_t *child)
{
    kp_process_t *process = current->machine.process;
    kp_call_page_t *page = current->machine.page;
    bool has_started = false, spins = false;
    kp_spin_t spin = KP_SPIN_START;
    pthread_setname_np(pthread_self(), "kpio-server");
    while (!kp_thread_is_dying(current)) {
        if (atomic_load(&child->is_dead)) {
            report_death(process, child, has_started || current->slot > 0);
            break;
        }
        uint32_t seen = atomic_load(&page->state), state = seen & KP_PAGE_STATE;
        if (atomic_load(&child->is_killed)) {
            /* It may run for a moment yet, but what it asks for counts no more: its end is that it was killed. */
            kp_page_wait(page, state, KP_PAGE_ENDED, &child->is_dead, &current->dying);
        } else if (state == KP_PAGE_CALL) {
            has_started = true;
            serve_call(child);
            spins = true;
        } else if (state == KP_PAGE_RUN && spins) {
            spins = spin_for_call(&spin, page, seen);
        } else if (state == KP_PAGE_RUN || state == KP_PAGE_LANE || state == KP_PAGE_FAULT) {
            /* After a fault its death is what we wait for. */
            if (!atomic_load(&child->is_dead) && !atomic_load(&child->is_killed))
                sleep_on_page(child, seen, INT64_MAX);
        } else if (!atomic_load(&child->is_killed)) {
            kp_log("process", KP_LOG_WARN, "%s: broke the call page's protocol", process->name);
            kp_hosted_child_kill(child);
            kp_process_fault(process, KP_EXIT_FAULT, 0, 0);
            break;
        }
    }
}

/* The thread has this child from now on. */
static void attach(kp_thread_t *thread, kp_process_t *process, kp_hosted_child_t *child)
{
    kp_hosted_child_acquire(child);
    kp_spin_lock(&child->lock);
    child->served++;
    kp_spin_unlock(&child->lock);
    thread->machine.process = process;
    kp_spin_lock(&child_lock);
    thread->machine.child = child;
    thread->machine.page = kp_area_page(child->area, thread->slot);
    bool is_suspended = thread->machine.is_suspended;
    kp_spin_unlock(&child_lock);
    if (is_suspended)
        kp_hosted_child_stop(child);
}

/* And no more. True: it was the last that had. */
static bool detach(kp_thread_t *thread)
{
    kp_spin_lock(&child_lock);
    kp_hosted_child_t *child = thread->machine.child;
    thread->machine.child = NULL;
    bool is_suspended = thread->machine.is_suspended;
    kp_spin_unlock(&child_lock);
    kp_spin_lock(&child->lock);
    bool is_last = --child->served == 0;
    kp_spin_unlock(&child->lock);
    if (is_suspended)
        kp_hosted_child_continue(child);
    return is_last;
}

/* What the current thread has used, for its process's account: of one that is dead, all that nobody has
   accounted for is the last thread's. */
static uint64_t final_time(kp_hosted_child_t *child, bool is_last)
{
    bool is_dead = (atomic_load(&child->is_dead) || atomic_load(&child->is_killed)) &&
                   atomic_load(&child->is_threaded);
    uint64_t all = kp_hosted_child_cpu_time(child);
    uint64_t time = is_dead ? 0 : kp_hosted_child_thread_time(child, current->slot);
    kp_spin_lock(&child->lock);
    if (is_dead && is_last && all > child->accounted_ns)
        time = all - child->accounted_ns;
    child->accounted_ns += time;
    kp_spin_unlock(&child->lock);
    return time;
}

/* The current thread has been served. One that leaves by itself (thread_exit) takes nobody with it. */
static void end_serving(kp_hosted_child_t *child)
{
    kp_thread_t *thread = current;
    bool is_last = detach(thread);
    thread->cpu_time_ns = final_time(child, is_last);
    if (thread->slot == 0)
        count_lane_messages(child);
    if (is_last || !thread->is_exiting) {
        kp_hosted_child_kill(child);
    } else if (thread->slot > 0) {
        kp_page_publish(thread->machine.page, KP_PAGE_LEAVE);
        kp_hosted_child_thread_end(child, thread->slot);
    } /* else: it sleeps in its call until the end, for Linux takes the first thread for the process */
    if (thread->slot == 0)
        kp_hosted_lanes_clear(child);
    kp_hosted_child_release(child);
    kp_thread_ended(thread);
}

static void *run_user_thread(void *argument)
{
    current = argument;
    kp_hosted_child_t *child = current->machine.child;
    serve(child);
    end_serving(child);
    return NULL;
}

kp_status_t kp_machine_thread_start_user(kp_thread_t *thread, kp_process_t *process)
{
    kp_status_t status = kp_hosted_space_start(&process->space);
    if (status != KP_OK)
        return status;
    kp_hosted_child_t *child = process->space.child;
    attach(thread, process, child);
    status = start(run_user_thread, thread);
    if (status != KP_OK) {
        (void)detach(thread);
        kp_hosted_child_release(child);
    }
    return status;
}

/* What the creator and the new thread say to each other; in the creator's frame. */
typedef struct further {
    kp_thread_t *thread;
    uint64_t entry, argument;
    kp_status_t status;
    _Atomic uint32_t is_done; /* futex */
} further_t;

static void *run_further_thread(void *argument)
{
    further_t *further = argument;
    current = further->thread;
    kp_hosted_child_t *child = current->machine.child;
    kp_status_t status =
        kp_hosted_child_thread_start(child, current->slot, further->entry, further->argument);
    if (status != KP_OK) {
        (void)detach(current);
        kp_hosted_child_release(child);
    }
    further->status = status;
    atomic_store(&further->is_done, 1);
    kp_raw_syscall(SYS_futex, (long)&further->is_done, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    if (status == KP_OK) {
        serve(child);
        end_serving(child);
    }
    return NULL;
}

kp_status_t kp_machine_thread_start_further(kp_thread_t *thread, kp_process_t *process,
                                            uint64_t entry, uint64_t argument)
{
    kp_hosted_child_t *child = process->space.child;
    /* The first time the caller is the process's only thread. */
    if (!atomic_exchange(&child->is_threaded, true)) {
        atomic_store(&process->space.is_threaded, true);
        kp_hosted_lanes_withdraw(child, process);
    }
    attach(thread, process, child);
    further_t further = {.thread = thread, .entry = entry, .argument = argument};
    kp_status_t status = start(run_further_thread, &further);
    if (status != KP_OK) {
        (void)detach(thread);
        kp_hosted_child_release(child);
        return status;
    }
    while (atomic_load(&further.is_done) == 0)
        kp_raw_syscall(SYS_futex, (long)&further.is_done, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
    return further.status;
}

/* The thread's process, referenced; NULL: a kernel thread, or it has ended. */
static kp_hosted_child_t *child_of(kp_thread_t *thread)
{
    kp_spin_lock(&child_lock);
    kp_hosted_child_t *child = thread->machine.child;
    if (child)
        kp_hosted_child_acquire(child);
    kp_spin_unlock(&child_lock);
    return child;
}

void kp_machine_thread_kill(kp_thread_t *thread)
{
    kp_hosted_child_t *child = child_of(thread);
    /* Otherwise only whole processes are killed. */
    bool leaves_by_itself = thread == current && thread->is_exiting;
    if (child && !leaves_by_itself)
        kp_hosted_child_kill(child);
    kp_hosted_child_release(child);
    kp_machine_thread_unpark(thread);
}

uint64_t kp_machine_thread_cpu_time(kp_thread_t *thread)
{
    kp_hosted_child_t *child = child_of(thread);
    if (!child)
        return atomic_load(&thread->cpu_time_ns);
    uint64_t ns = kp_hosted_child_thread_time(child, thread->slot);
    kp_hosted_child_release(child);
    return ns;
}

/* Stops and continuations of a process are counted: it stands still while any of its threads is to. */
static kp_hosted_child_t *set_suspended(kp_thread_t *thread, bool is_suspended)
{
    kp_spin_lock(&child_lock);
    bool is_new = thread->machine.is_suspended != is_suspended;
    thread->machine.is_suspended = is_suspended;
    kp_hosted_child_t *child = is_new ? thread->machine.child : NULL;
    if (child)
        kp_hosted_child_acquire(child);
    kp_spin_unlock(&child_lock);
    return child;
}

void kp_machine_thread_suspend(kp_thread_t *thread)
{
    kp_hosted_child_t *child = set_suspended(thread, true);
    if (child)
        kp_hosted_child_stop(child);
    kp_hosted_child_release(child);
}

void kp_machine_thread_resume(kp_thread_t *thread)
{
    kp_hosted_child_t *child = set_suspended(thread, false);
    if (child)
        kp_hosted_child_continue(child);
    kp_hosted_child_release(child);
}
