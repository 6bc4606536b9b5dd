/* Inside a KPIO process: loads the image, locks the Linux process down, makes its system calls
   through the call pages. Everything here runs in the forked child; after lock_down only futex,
   clock_gettime, exit and exit_group are left (sandbox_filter.c), and anything else kills the process.
   What else the process must do for the kernel, its agent does (sandbox_agent.c).

   The program's native code is trusted no further than that filter: whatever it overwrites in this
   process, it can only reach the call pages, its own mappings and its lanes.
 */
#include <errno.h>
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/calls.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/sandbox.h"
#include "kernel/machine/hosted/sandbox_lane.h"
#include "runtime/image/image.h"

static struct {
    uint8_t *area;
    kp_orders_t *orders; /* of which only what the process is to know matters here */
    uint8_t *memory;     /* base of linear memory */
    uint8_t *image;
    uint64_t image_span;
} inside;

static kp_sandbox_thread_t threads[KP_PROCESS_THREADS_MAX];

static kp_zygote_request_t origin;  /* of what this process was made */
static kp_sandbox_context_t frozen; /* where it called process_freeze */

kp_sandbox_thread_t *kp_sandbox_thread(uint32_t slot)
{
    return &threads[slot];
}

/* ---- where it stopped, for the log ---- */

static uint64_t image_offset(uint64_t address)
{
    uint64_t offset = address - (uint64_t)inside.image;
    return offset < inside.image_span ? offset : address;
}

/* Follows the chain of frame pointers on the program's stack; images are compiled to have it. */
static void record_backtrace(const kp_sandbox_thread_t *self, uint64_t frame)
{
    kp_call_page_t *page = self->page;
    uint64_t stack = (uint64_t)self->stack, limit = stack + KP_IMAGE_STACK_SIZE - 16;
    uint32_t count = 0;
    while (count < KP_PAGE_BACKTRACE_MAX && frame >= stack && frame <= limit && frame % 8 == 0) {
        const uint64_t *words = (const uint64_t *)frame;
        page->backtrace[count++] = image_offset(words[1]);
        if (words[0] <= frame)
            break;
        frame = words[0];
    }
    page->backtrace_count = count;
}

/* ---- system calls ---- */

static int32_t act(const kp_call_page_t *page)
{
    switch (page->action) {
    case KP_PAGE_ACTION_LANE:
        return kp_sandbox_lane_open(page) ? KP_OK : KP_ERR_NO_MEMORY;
    case KP_PAGE_ACTION_FREEZE:
        return kp_sandbox_state_write(inside.memory + KP_SANDBOX_SCRATCH_OFFSET, &origin, &frozen)
                   ? KP_OK
                   : KP_ERR_NO_MEMORY;
    default:
        return KP_ERR_NOT_SUPPORTED;
    }
}

/* The clock is read so often that it is answered here. False: let the kernel say what is wrong. */
static bool clock_get_here(const uint64_t arguments[6])
{
    if (arguments[0] > KP_CLOCK_REALTIME ||
        arguments[1] > inside.orders->memory_bytes - sizeof(uint64_t))
        return false;
    struct timespec now;
    clock_gettime(arguments[0] == KP_CLOCK_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME, &now);
    int64_t ns = (int64_t)now.tv_sec * KP_NS_PER_S + now.tv_nsec;
    if (arguments[0] == KP_CLOCK_MONOTONIC)
        ns -= inside.orders->boot_ns;
    memcpy(inside.memory + arguments[1], &ns, sizeof(ns));
    return true;
}

/* Calls that usually sleep in the kernel: no use in spinning for their answer. */
static bool is_sleepy(uint32_t number)
{
    static const uint8_t sleepy[] = {
        KP_CALL_object_wait_one,       KP_CALL_object_wait_many, KP_CALL_channel_call,
        KP_CALL_channel_receive,       KP_CALL_port_wait,        KP_CALL_futex_wait,
        KP_CALL_channel_reply_receive,
    };
    for (size_t i = 0; i < sizeof(sleepy); i++) {
        if (number == sleepy[i])
            return true;
    }
    return number >= KP_PAGE_CALL_ADOPT;
}

/* One call in the kernel. True: it is done, *result; false: the receive stands (KP_PAGE_LANE). */
static bool ask_kernel(kp_sandbox_thread_t *self, uint32_t number, const uint64_t arguments[6],
                       int64_t *result)
{
    kp_call_page_t *page = self->page;
    page->number = number;
    for (int i = 0; i < 6; i++)
        page->arguments[i] = arguments[i];
    atomic_store_explicit(&page->process_processor, kp_spin_processor(&self->spin),
                          memory_order_relaxed);
    kp_page_publish(page, KP_PAGE_CALL);
    bool spins = !is_sleepy(number);
    for (;;) {
        uint32_t seen = atomic_load(&page->state), state = seen & KP_PAGE_STATE;
        if (state == KP_PAGE_RUN) {
            *result = page->result;
            return true;
        }
        if (state == KP_PAGE_LANE)
            return false;
        if (state == KP_PAGE_LEAVE) {
            self->is_leaving = true;
            return true;
        }
        if (state == KP_PAGE_ACTION) {
            page->action_result = act(page);
            kp_page_publish(page, KP_PAGE_ACTED);
        } else if (!spins || !kp_spin(&self->spin, &page->state, seen, &page->kernel_processor)) {
            spins = false;
            kp_page_wait(page, KP_PAGE_CALL, KP_PAGE_ACTED, NULL, NULL);
        }
    }
}

__attribute__((noinline)) static int64_t make_call(kp_sandbox_thread_t *self, uint32_t number,
                                                   const uint64_t given[6])
{
    uint64_t arguments[6];
    memcpy(arguments, given, sizeof(arguments));
    int64_t result = 0;
    /* Lanes are the first thread's. */
    if (self->slot == 0 && kp_sandbox_lane_try(&number, arguments, &result))
        return result;
    for (;;) {
        if (ask_kernel(self, number, arguments, &result) ||
            kp_sandbox_lane_stand(&number, arguments, &result))
            return result;
    }
}

int64_t kp_sandbox_make_call(uint32_t number, const uint64_t given[6])
{
    /* What a clone continues with: nothing below is used there. */
    if (number == KP_CALL_process_freeze && kp_sandbox_context_save(&frozen))
        return KP_OK;
    if (number == KP_CALL_clock_get && clock_get_here(given))
        return KP_OK;
    if (number == KP_CALL_process_trap) /* from the frame that is the image's */
        record_backtrace(kp_sandbox_self(), *(const uint64_t *)__builtin_frame_address(0));
    return make_call(kp_sandbox_self(), number, given);
}

/* ---- faults ---- */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    kp_sandbox_thread_t *self = kp_sandbox_self();
    kp_call_page_t *page = self->page;
    uint64_t address = (uint64_t)info->si_addr;
    const greg_t *registers = ((const ucontext_t *)context)->uc_mcontext.gregs;
    bool is_memory_fault = signal == SIGSEGV || signal == SIGBUS;
    if (is_memory_fault)
        kp_sandbox_guest_fault(inside.orders, address, context);
    page->fault_reason = KP_EXIT_FAULT;
    page->fault_code = signal;
    if (is_memory_fault && address - (uint64_t)inside.memory < KP_IMAGE_MEMORY_RESERVE) {
        page->fault_reason = KP_EXIT_TRAP;
        page->fault_code = KP_TRAP_OUT_OF_BOUNDS;
        address -= (uint64_t)inside.memory;
    } else if (is_memory_fault && (uint64_t)self->stack - 1 - address < KP_IMAGE_STACK_GUARD) {
        page->fault_reason = KP_EXIT_TRAP;
        page->fault_code = KP_TRAP_STACK_OVERFLOW;
    }
    page->fault_address = address;
    page->fault_instruction = image_offset((uint64_t)registers[REG_RIP]);
    record_backtrace(self, (uint64_t)registers[REG_RBP]);
    kp_page_publish(page, KP_PAGE_FAULT);
    for (;;)
        kp_raw_syscall(SYS_exit_group, 1, 0, 0, 0, 0, 0);
}

static bool catch_faults(void)
{
    static uint8_t fault_stack[16384];
    stack_t stack = {.ss_sp = fault_stack, .ss_size = sizeof(fault_stack)};
    if (sigaltstack(&stack, NULL) != 0)
        return false;
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < KP_ARRAY_COUNT(signals); i++) {
        if (sigaction(signals[i], &action, NULL) != 0)
            return false;
    }
    struct sigaction ignore = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &ignore, NULL);
    return true;
}

/* ---- loading ---- */

/* address 0: anywhere. */
static uint8_t *reserve(uint64_t address, uint64_t size)
{
    void *wanted = (void *)address;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (address ? MAP_FIXED_NOREPLACE : 0);
    void *at = mmap(wanted, size, PROT_NONE, flags, -1, 0);
    /* Old Linux takes the address for a hint. */
    return at != MAP_FAILED && (at == wanted || !address) ? at : NULL;
}

static bool map_segment(const kp_image_segment_t *segment, uint8_t *base, int file,
                        uint64_t file_offset)
{
    uint8_t *at = base + segment->address;
    bool is_writable = segment->flags & KP_IMAGE_SEGMENT_WRITE;
    int protection = PROT_READ | (is_writable ? PROT_WRITE : 0) |
                     (segment->flags & KP_IMAGE_SEGMENT_EXECUTE ? PROT_EXEC : 0);
    uint64_t file_pages = KP_ROUND_UP(segment->file_size, KP_PAGE_SIZE);
    if (file_pages > 0 && mmap(at, file_pages, protection, MAP_PRIVATE | MAP_FIXED, file,
                               (off_t)(file_offset + segment->file_offset)) == MAP_FAILED)
        return false;
    if (is_writable)
        memset(at + segment->file_size, 0, file_pages - segment->file_size);
    return file_pages >= segment->size ||
           mmap(at + file_pages, segment->size - file_pages, protection,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

static bool map_area(uint8_t *area, int file)
{
    return mmap(area, KP_AREA_ORDERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) !=
               MAP_FAILED &&
           mmap(area + KP_AREA_ORDERS, KP_AREA_SIZE - KP_AREA_ORDERS, PROT_READ,
                MAP_SHARED | MAP_FIXED, file, KP_AREA_ORDERS) != MAP_FAILED;
}

static void thread_init(uint32_t slot, uint8_t *stack)
{
    threads[slot] = (kp_sandbox_thread_t){
        .self = &threads[slot],
        .slot = slot,
        .page = kp_area_page(inside.area, slot),
        .stack = stack,
        .spin = {.patience = KP_SPIN_ROUNDS, .has_no_area = slot > 0},
    };
}

/* Further threads begin here; contract: runtime/image/image.h. */
void kp_sandbox_thread_enter(uint64_t slot, uint64_t entry, uint64_t argument)
{
    uint64_t stack = kp_hosted_layout_stack(&origin.layout, (uint32_t)slot);
    thread_init((uint32_t)slot, (uint8_t *)stack);
    register uint64_t r8 __asm__("r8") = entry;
    register uint64_t r9 __asm__("r9") = argument;
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "cld\n\t"
                     "jmpq *%1"
                     :
                     : "r"(stack + KP_IMAGE_STACK_SIZE), "r"(inside.image + origin.image_entry),
                       "D"(inside.memory), "S"(inside.orders->memory_bytes / KP_WASM_PAGE_SIZE),
                       "d"((uint64_t)kp_sandbox_call), "c"((uint64_t)1), "r"(r8), "r"(r9)
                     : "memory");
    __builtin_unreachable();
}

static bool load(const kp_zygote_request_t *request, const int *files)
{
    const kp_hosted_layout_t *layout = &request->layout;
    inside.area = reserve(kp_hosted_layout_area(layout), KP_AREA_SIZE);
    if (!inside.area || !map_area(inside.area, files[2]))
        return false;
    inside.orders = kp_area_orders(inside.area);
    inside.image = reserve(layout->image, request->image_span);
    inside.image_span = request->image_span;
    if (!inside.image)
        return false;
    for (uint32_t i = 0; i < request->segment_count && i < KP_ZYGOTE_SEGMENTS; i++) {
        if (!map_segment(&request->segments[i], inside.image, files[0], request->image_offset))
            return false;
    }
    uint8_t *stack = reserve(layout->stack, KP_IMAGE_STACK_GUARD + KP_IMAGE_STACK_SIZE);
    if (!stack)
        return false;
    stack += KP_IMAGE_STACK_GUARD;
    if (mprotect(stack, KP_IMAGE_STACK_SIZE, PROT_READ | PROT_WRITE) != 0)
        return false;
    thread_init(0, stack);
    inside.memory = reserve(layout->memory, KP_IMAGE_MEMORY_RESERVE);
    uint8_t *lanes = reserve(kp_hosted_layout_lanes(layout), KP_SANDBOX_LANES_SIZE);
    if (!lanes)
        return false;
    kp_sandbox_lanes_init(threads[0].page, inside.orders, inside.memory, lanes);
    /* All 4 GiB are mapped, yet only what the file has can be touched: growing the file is all
       that memory.grow needs, and touching what lies beyond its end is a fault. */
    if (!inside.memory || mmap(inside.memory, (uint64_t)1 << 32, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_FIXED | MAP_NORESERVE, files[1], 0) == MAP_FAILED)
        return false;
    for (uint32_t i = 0; i < request->extent_count && i < KP_HOSTED_EXTENTS_MAX; i++) {
        const kp_hosted_extent_t *extent = &request->extents[i];
        if (mmap(inside.memory + extent->address, extent->length, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, files[KP_ZYGOTE_SNAPSHOT_FILE],
                 (off_t)extent->address) == MAP_FAILED)
            return false;
    }
    for (uint32_t i = 0; i < request->mapping_count && i < KP_ZYGOTE_MAPPINGS; i++) {
        const kp_zygote_mapping_t *mapping = &request->mappings[i];
        if (mapping->file >= request->file_count ||
            mmap(inside.memory + mapping->address, mapping->length, PROT_READ,
                 MAP_SHARED | MAP_FIXED, files[mapping->file],
                 (off_t)mapping->offset) == MAP_FAILED)
            return false;
    }
    return !request->is_clone ||
           kp_sandbox_state_map(files[KP_ZYGOTE_STATE_FILE], request, &frozen);
}

/* Gives the kernel what it cannot map. The file stays good when the process may not open it any more. When
   the kernel has gone, this process is about to be killed. */
static bool lend_memory(int control)
{
    int file = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    bool is_lent = file >= 0 && (kp_hosted_send(control, "m", 1, &file, 1) == 1 || errno == EPIPE);
    if (file >= 0)
        close(file);
    return is_lent;
}

/* ---- locking down ---- */

static bool limit(void)
{
    static const struct {
        int resource;
        rlim_t value;
    } limits[] = {
        {RLIMIT_CORE, 0},
        {RLIMIT_NOFILE, 8},
        {RLIMIT_MEMLOCK, 0},
        {RLIMIT_MSGQUEUE, 0},
    };
    for (size_t i = 0; i < KP_ARRAY_COUNT(limits); i++) {
        struct rlimit value = {limits[i].value, limits[i].value};
        if (setrlimit((__rlimit_resource_t)limits[i].resource, &value) != 0)
            return false;
    }
    return true;
}

static bool filter_calls(const struct sock_fprog *filter)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) == 0;
}

/* The agent keeps what this thread gives up at the end. */
static bool lock_down(const int *files)
{
    /* Files come from the zygote above 2, so these cannot overwrite each other. */
    if (dup2(files[1], KP_SANDBOX_MEMORY_FILE) < 0 || dup2(files[3], KP_SANDBOX_CONTROL_FILE) < 0)
        return false;
    if (syscall(SYS_close_range, KP_SANDBOX_CONTROL_FILE + 1, ~0u, 0) != 0)
        return false;
    const struct sock_fprog of_agent = kp_sandbox_filter_agent(),
                            of_program = kp_sandbox_filter_program();
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    return limit() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           sigprocmask(SIG_SETMASK, &all, NULL) == 0 &&
           syscall(SYS_arch_prctl, ARCH_SET_GS, &threads[0]) == 0 && filter_calls(&of_agent) &&
           kp_sandbox_agent_start(inside.area) && sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
           filter_calls(&of_program);
}

/* Onto the program's own stack; contract: runtime/image/image.h. */
_Noreturn static void jump(uint64_t entry, uint64_t pages)
{
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "xorl %%ecx, %%ecx\n\t"
                     "cld\n\t"
                     "jmpq *%1"
                     :
                     : "r"(threads[0].stack + KP_IMAGE_STACK_SIZE), "r"(entry), "D"(inside.memory),
                       "S"(pages), "d"((uint64_t)kp_sandbox_call)
                     : "rcx", "memory");
    __builtin_unreachable();
}

void kp_sandbox_enter(const kp_zygote_request_t *request, const int *files)
{
    prctl(PR_SET_NAME, request->name);
    origin = *request;
    if (!load(request, files))
        _exit(2);
    if (!catch_faults())
        _exit(3);
    if (request->lends_memory && !lend_memory(files[3]))
        _exit(5);
    if (!lock_down(files))
        _exit(4);
    if (request->is_clone)
        kp_sandbox_context_resume(&frozen);
    jump((uint64_t)inside.image + request->image_entry, request->initial_pages);
}
