/* Inside a KPIO process: loads the image, locks the Linux process down, makes its system calls
   through the call page. Everything here runs in the forked child; after lock_down only futex,
   recvmsg on the control socket, mmap of shared memory without PROT_EXEC, close, clock_gettime and
   exit_group are left, and anything else kills the process.

   The program's native code is trusted no further than that filter: whatever it overwrites in this
   process, it can only reach the call page, its own mappings and the files that the kernel sends.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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
#include "kernel/machine/hosted/sandbox_lane.h"
#include "runtime/image/image.h"

/* The only files that the process keeps. */
enum { MEMORY_FILE = 0, CONTROL_FILE = 1 };

static struct {
    kp_call_page_t *page;
    uint8_t *memory; /* base of linear memory */
    uint8_t *image;
    uint64_t image_span;
    uint8_t *stack; /* lowest address, above the guard */
    kp_spin_t spin;
} inside;

/* Inside the reservation of linear memory, where nothing else is ever mapped. */
#define SCRATCH_OFFSET ((uint64_t)5 << 30)
static kp_zygote_request_t origin;  /* of what this process was made */
static kp_sandbox_context_t frozen; /* where it called process_freeze */

/* ---- where it stopped, for the log ---- */

static uint64_t image_offset(uint64_t address)
{
    uint64_t offset = address - (uint64_t)inside.image;
    return offset < inside.image_span ? offset : address;
}

/* Follows the chain of frame pointers on the program's stack; images are compiled to have it. */
static void record_backtrace(uint64_t frame)
{
    kp_call_page_t *page = inside.page;
    uint64_t stack = (uint64_t)inside.stack, limit = stack + KP_IMAGE_STACK_SIZE - 16;
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

static void close_file(int file)
{
    kp_raw_syscall(SYS_close, file, 0, 0, 0, 0, 0);
}

/* The file that comes with an action; < 0: none came. */
static int receive_file(void)
{
    char byte;
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    long count;
    do
        count = kp_raw_syscall(SYS_recvmsg, CONTROL_FILE, (long)&message, 0, 0, 0, 0);
    while (count == -EINTR);
    struct cmsghdr *head = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!head || head->cmsg_type != SCM_RIGHTS)
        return -1;
    int file;
    memcpy(&file, CMSG_DATA(head), sizeof(file));
    return file;
}

static bool map_shared(void *at, uint64_t length, bool is_writable, int file, uint64_t offset)
{
    int protection = is_writable ? PROT_READ | PROT_WRITE : PROT_READ;
    long result = kp_raw_syscall(SYS_mmap, (long)at, (long)length, protection,
                                 MAP_SHARED | MAP_FIXED, file, (long)offset);
    return result >= 0 || result <= -4096;
}

static int32_t act(const kp_call_page_t *page)
{
    int file = page->action == KP_PAGE_ACTION_MEMORY ? MEMORY_FILE : receive_file();
    if (file < 0)
        return KP_ERR_NO_MEMORY;
    if (page->action == KP_PAGE_ACTION_FREEZE) {
        bool is_written =
            kp_sandbox_state_write(file, inside.memory + SCRATCH_OFFSET, &origin, &frozen);
        close_file(file);
        return is_written ? KP_OK : KP_ERR_NO_MEMORY;
    }
    bool is_mapped;
    if (page->action == KP_PAGE_ACTION_LANE) {
        void *place = kp_sandbox_lane_place(page);
        is_mapped = place && map_shared(place, KP_LANE_SIZE, true, file, 0);
        if (is_mapped)
            kp_sandbox_lane_open(page);
    } else {
        is_mapped = map_shared(inside.memory + page->action_address, page->action_length,
                               page->action_is_writable, file, page->action_offset);
    }
    if (file != MEMORY_FILE)
        close_file(file);
    return is_mapped ? KP_OK : KP_ERR_NO_MEMORY;
}

/* The clock is read so often that it is answered here. False: let the kernel say what is wrong. */
static bool clock_get_here(const uint64_t arguments[6])
{
    if (arguments[0] > KP_CLOCK_REALTIME ||
        arguments[1] > inside.page->memory_bytes - sizeof(uint64_t))
        return false;
    struct timespec now;
    clock_gettime(arguments[0] == KP_CLOCK_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME, &now);
    int64_t ns = (int64_t)now.tv_sec * KP_NS_PER_S + now.tv_nsec;
    if (arguments[0] == KP_CLOCK_MONOTONIC)
        ns -= inside.page->boot_ns;
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
static bool ask_kernel(uint32_t number, const uint64_t arguments[6], int64_t *result)
{
    kp_call_page_t *page = inside.page;
    page->number = number;
    for (int i = 0; i < 6; i++)
        page->arguments[i] = arguments[i];
    atomic_store_explicit(&page->process_processor, kp_processor(), memory_order_relaxed);
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
        if (state == KP_PAGE_ACTION) {
            page->action_result = act(page);
            kp_page_publish(page, KP_PAGE_ACTED);
        } else if (!spins || !kp_spin(&inside.spin, &page->state, seen, &page->kernel_processor)) {
            spins = false;
            kp_page_wait(page, KP_PAGE_CALL, KP_PAGE_ACTED, NULL, NULL);
        }
    }
}

static int64_t make_call(uint32_t number, const uint64_t given[6])
{
    /* What a clone continues with: nothing below is used there. */
    if (number == KP_CALL_process_freeze && kp_sandbox_context_save(&frozen))
        return KP_OK;
    if (number == KP_CALL_clock_get && clock_get_here(given))
        return KP_OK;
    if (number == KP_CALL_process_trap)
        record_backtrace((uint64_t)__builtin_frame_address(0));
    uint64_t arguments[6];
    memcpy(arguments, given, sizeof(arguments));
    int64_t result;
    if (kp_sandbox_lane_try(&number, arguments, &result))
        return result;
    for (;;) {
        if (ask_kernel(number, arguments, &result) ||
            kp_sandbox_lane_stand(&number, arguments, &result))
            return result;
    }
}

/* ---- faults ---- */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    kp_call_page_t *page = inside.page;
    uint64_t address = (uint64_t)info->si_addr;
    const greg_t *registers = ((const ucontext_t *)context)->uc_mcontext.gregs;
    bool is_memory_fault = signal == SIGSEGV || signal == SIGBUS;
    page->fault_reason = KP_EXIT_FAULT;
    page->fault_code = signal;
    if (is_memory_fault && address - (uint64_t)inside.memory < KP_IMAGE_MEMORY_RESERVE) {
        page->fault_reason = KP_EXIT_TRAP;
        page->fault_code = KP_TRAP_OUT_OF_BOUNDS;
        address -= (uint64_t)inside.memory;
    } else if (is_memory_fault && (uint64_t)inside.stack - 1 - address < KP_IMAGE_STACK_GUARD) {
        page->fault_reason = KP_EXIT_TRAP;
        page->fault_code = KP_TRAP_STACK_OVERFLOW;
    }
    page->fault_address = address;
    page->fault_instruction = image_offset((uint64_t)registers[REG_RIP]);
    record_backtrace((uint64_t)registers[REG_RBP]);
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
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < KP_ARRAY_COUNT(signals); i++) {
        if (sigaction(signals[i], &action, NULL) != 0)
            return false;
    }
    struct sigaction ignore = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &ignore, NULL);
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
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

static bool load(const kp_zygote_request_t *request, const int *files)
{
    inside.page =
        mmap(NULL, sizeof(kp_call_page_t), PROT_READ | PROT_WRITE, MAP_SHARED, files[2], 0);
    if (inside.page == MAP_FAILED)
        return false;
    inside.image = reserve(request->layout.image, request->image_span);
    inside.image_span = request->image_span;
    if (!inside.image)
        return false;
    for (uint32_t i = 0; i < request->segment_count && i < KP_ZYGOTE_SEGMENTS; i++) {
        if (!map_segment(&request->segments[i], inside.image, files[0], request->image_offset))
            return false;
    }
    uint8_t *stack = reserve(request->layout.stack, KP_IMAGE_STACK_GUARD + KP_IMAGE_STACK_SIZE);
    if (!stack)
        return false;
    inside.stack = stack + KP_IMAGE_STACK_GUARD;
    if (mprotect(inside.stack, KP_IMAGE_STACK_SIZE, PROT_READ | PROT_WRITE) != 0)
        return false;
    inside.memory = reserve(request->layout.memory, KP_IMAGE_MEMORY_RESERVE);
    uint8_t *lanes = reserve(0, KP_SANDBOX_LANES_SIZE);
    if (!lanes)
        return false;
    inside.spin = KP_SPIN_START;
    kp_sandbox_lanes_init(inside.page, inside.memory, lanes);
    /* All 4 GiB are mapped, yet only what the file has can be touched: growing the file is all
       that memory.grow needs, and touching what lies beyond its end is a fault. */
    if (!inside.memory || mmap(inside.memory, (uint64_t)1 << 32, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_FIXED | MAP_NORESERVE, files[1], 0) == MAP_FAILED)
        return false;
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

/* ---- locking down ---- */

#define LOAD_FIELD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARGUMENT(n) LOAD_FIELD(args[n])
#define LOAD_ARGUMENT_HIGH(n) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]) + 4)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
/* Goes on when equal, else skips `count` instructions. */
#define UNLESS_EQUAL(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))
#define ALLOW_CALL(number) UNLESS_EQUAL(number, 1), RETURN(SECCOMP_RET_ALLOW)

static bool filter_calls(void)
{
    static const struct sock_filter filter[] = {
        LOAD_FIELD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD_FIELD(nr), /* numbers of the x32 interface equal none of these */
        /* futex: wait and wake, nothing cleverer; first, for it is most of what is called */
        UNLESS_EQUAL(SYS_futex, 5),
        LOAD_ARGUMENT(1),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT, 1, 0),
        UNLESS_EQUAL(FUTEX_WAKE, 1),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        ALLOW_CALL(SYS_close),
        ALLOW_CALL(SYS_clock_gettime),
        ALLOW_CALL(SYS_exit_group),
        /* recvmsg: on the control socket */
        UNLESS_EQUAL(SYS_recvmsg, 4),
        LOAD_ARGUMENT(0),
        UNLESS_EQUAL(CONTROL_FILE, 1),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        /* mmap: shared, at a fixed place, readable or writable and never executable */
        UNLESS_EQUAL(SYS_mmap, 8),
        LOAD_ARGUMENT(3),
        UNLESS_EQUAL(MAP_SHARED | MAP_FIXED, 5),
        LOAD_ARGUMENT_HIGH(2),
        UNLESS_EQUAL(0, 3),
        LOAD_ARGUMENT(2),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, ~(uint32_t)(PROT_READ | PROT_WRITE), 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        RETURN(SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {KP_ARRAY_COUNT(filter), (struct sock_filter *)filter};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

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

static bool lock_down(const int *files)
{
    /* Files come from the zygote above 2, so these cannot overwrite each other. */
    if (dup2(files[1], MEMORY_FILE) < 0 || dup2(files[3], CONTROL_FILE) < 0)
        return false;
    if (syscall(SYS_close_range, CONTROL_FILE + 1, ~0u, 0) != 0)
        return false;
    return limit() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && filter_calls();
}

/* Onto the program's own stack; contract: runtime/image/image.h. */
_Noreturn static void jump(uint64_t entry, uint64_t pages)
{
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "cld\n\t"
                     "jmpq *%1"
                     :
                     : "r"(inside.stack + KP_IMAGE_STACK_SIZE), "r"(entry), "D"(inside.memory),
                       "S"(pages), "d"((uint64_t)make_call)
                     : "memory");
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
    if (!lock_down(files))
        _exit(4);
    if (request->is_clone)
        kp_sandbox_context_resume(&frozen);
    jump((uint64_t)inside.image + request->image_entry, request->initial_pages);
}
