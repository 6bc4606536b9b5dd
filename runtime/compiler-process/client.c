#include "runtime/compiler-process/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/compiler-process/protocol.h"
#include "runtime/instance/platform.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

struct kp_compiler_process {
    int socket, pidfd;
    pid_t number;
    uint32_t clock_seconds;
    bool is_dead;
};

extern const uint8_t kp_compiler_image[], kp_compiler_image_end[];

static kp_status_t fail(kp_compile_failure_t *failure, kp_status_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static kp_status_t fail(kp_compile_failure_t *failure, kp_status_t status, const char *format, ...)
{
    if (failure) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(failure->text, sizeof failure->text, format, arguments);
        va_end(arguments);
    }
    return status;
}

/* ---- files ---- */

int kp_compiler_module_file(const void *bytes, size_t size)
{
    return kp_wasm_platform_sealed_file("kpio-module", 0, bytes, size);
}

/* The program, in a file that stays open for the processes to come. */
static int image_file(void)
{
    static int file; /* atomic; 0: not made yet */
    int found = __atomic_load_n(&file, __ATOMIC_ACQUIRE);
    if (found)
        return found;
    size_t size = (size_t)(kp_compiler_image_end - kp_compiler_image);
    int made =
        kp_wasm_platform_sealed_file("kpio-wasm-compiler", MFD_EXEC, kp_compiler_image, size);
    if (made < 0 && errno == EINVAL) /* before Linux 6.3 all were executable */
        made = kp_wasm_platform_sealed_file("kpio-wasm-compiler", 0, kp_compiler_image, size);
    if (made == 0) { /* standard input was closed: 0 means something else here */
        made = fcntl(0, F_DUPFD_CLOEXEC, 3);
        close(0);
    }
    if (made < 0)
        return -1;
    if (__atomic_compare_exchange_n(&file, &found, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    close(made); /* another thread was faster */
    return found;
}

/* ---- starting ---- */

typedef struct kp_start {
    int image, socket;
} kp_start_t;

enum { EXEC_FAILED = 127 }; /* exit status */

/* Runs on this process's memory until the new program begins: only system calls. */
static int child_run(void *context)
{
    static char *const arguments[] = {(char *)(uintptr_t)"kpio-wasm-compiler", NULL};
    static char *const environment[] = {NULL};
    const kp_start_t *start = context;
    /* The image may lie where the socket goes. */
    int image =
        start->image == KP_COMPILER_SOCKET ? fcntl(start->image, F_DUPFD_CLOEXEC, 4) : start->image;
    if (start->socket == KP_COMPILER_SOCKET)
        (void)fcntl(start->socket, F_SETFD, 0);
    else if (dup2(start->socket, KP_COMPILER_SOCKET) < 0)
        return EXEC_FAILED;
    syscall(SYS_execveat, image, "", arguments, environment, AT_EMPTY_PATH);
    return EXEC_FAILED;
}

/* The new program begins with all signals blocked: none of this one's handlers may run in between. */
static bool start(kp_compiler_process_t *process, int image, int socket)
{
    enum { STACK = 32 << 10 };
    sigset_t all, before;
    kp_start_t child = {image, socket};
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    process->number =
        clone(child_run, (char *)stack + STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
              &child, &process->pidfd);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK);
    if (process->number < 0)
        process->pidfd = -1;
    return process->number >= 0;
}

/* ---- messages ---- */

static bool transmit(const kp_compiler_process_t *process, const kp_compiler_order_t *order,
                     int file)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {(void *)(uintptr_t)order, sizeof *order};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (file >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &file, sizeof file);
    }
    ssize_t size;
    do
        size = sendmsg(process->socket, &message, MSG_NOSIGNAL);
    while (size < 0 && errno == EINTR);
    return size == sizeof *order;
}

/* How it ended, in words. */
static kp_status_t say_death(kp_compiler_process_t *process, kp_compile_failure_t *failure)
{
    siginfo_t end = {0};
    process->is_dead = true;
    int result;
    /* It may have closed the socket and live on. */
    struct pollfd wait = {.fd = process->pidfd, .events = POLLIN};
    if (poll(&wait, 1, 1000) == 0)
        syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
    do
        result = waitid(P_PIDFD, (id_t)process->pidfd, &end, WEXITED);
    while (result != 0 && errno == EINTR);
    bool is_killed = result == 0 && (end.si_code == CLD_KILLED || end.si_code == CLD_DUMPED);
    if (is_killed && end.si_status == SIGXCPU)
        return fail(failure, KP_ERR_QUOTA,
                    "the compiler's process used up its processor time on this module");
    if (is_killed && end.si_status == SIGSYS)
        return fail(
            failure, KP_ERR_PROCESS_DEAD,
            "the compiler's process was ended: on this module it made a forbidden system call");
    if (is_killed)
        return fail(failure, KP_ERR_PROCESS_DEAD,
                    "the compiler's process died of signal %d on this module", end.si_status);
    if (result == 0 && end.si_status == EXEC_FAILED)
        return fail(
            failure, KP_ERR_NOT_SUPPORTED,
            "this Linux does not start the compiler's process (memory files are not executable?)");
    if (result == 0)
        return fail(failure, KP_ERR_PROCESS_DEAD,
                    "the compiler's process ended with %d on this module", end.si_status);
    return fail(failure, KP_ERR_PROCESS_DEAD, "the compiler's process ended on this module");
}

static int64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * (int64_t)1000 + time.tv_nsec / 1000000;
}

/* False: it died, or its time is up and it was ended; *status and *failure say so. */
static bool answer(kp_compiler_process_t *process, kp_compiler_reply_t *reply, kp_status_t *status,
                   kp_compile_failure_t *failure)
{
    int64_t deadline = now_ms() + process->clock_seconds * (int64_t)1000;
    struct pollfd wait = {.fd = process->socket, .events = POLLIN};
    for (;;) {
        int64_t left = deadline - now_ms();
        int ready = poll(&wait, 1, left < 0 ? 0 : (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
            (void)say_death(process, NULL);
            *status =
                fail(failure, KP_ERR_TIMED_OUT, "the compiler's process gave no answer within %u s",
                     process->clock_seconds);
            return false;
        }
        ssize_t size = recv(process->socket, reply, sizeof *reply, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size == sizeof *reply)
            return true;
        *status = size > 0 ? fail(failure, KP_ERR_PROTOCOL, "the compiler's process talks nonsense")
                           : say_death(process, failure);
        return false;
    }
}

/* The process's words: only what can be printed, and ended. */
static void clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static kp_status_t ask(kp_compiler_process_t *process, const kp_compiler_order_t *order, int file,
                       kp_compiler_reply_t *reply, kp_compile_failure_t *failure)
{
    kp_status_t status = KP_ERR_PROCESS_DEAD;
    if (failure)
        failure->text[0] = '\0';
    if (process->is_dead)
        return fail(failure, status, "the compiler's process has ended");
    if (!transmit(process, order, file))
        return say_death(process, failure);
    if (!answer(process, reply, &status, failure))
        return status;
    status = reply->status;
    if (status == KP_OK)
        return KP_OK;
    clean(reply->reason, sizeof reply->reason);
    clean(reply->detail, sizeof reply->detail);
    kp_wasm_error_t error = {.status = status,
                             .kind = reply->error_kind,
                             .offset = reply->offset,
                             .function = reply->function,
                             .reason = reply->reason};
    memcpy(error.detail, reply->detail, sizeof error.detail);
    if (reply->error_kind != KP_WASM_ERROR_NONE && failure && status < 0)
        kp_wasm_error_print(&error, failure->text, sizeof failure->text);
    else
        (void)fail(failure, status, "compiling: %s", kp_status_text(status));
    return status < 0 ? status : KP_ERR_PROTOCOL;
}

/* ---- the interface ---- */

kp_status_t kp_compiler_process_start(const kp_wasm_compile_options_t *options,
                                      kp_wasm_features_t features,
                                      const kp_compiler_limits_t *limits, unsigned jobs,
                                      int module_file, size_t module_size,
                                      kp_compiler_process_t **result, kp_compile_failure_t *failure)
{
    int sockets[2] = {-1, -1};
    *result = NULL;
    kp_compiler_process_t *process = calloc(1, sizeof *process);
    int image = image_file();
    if (!process || image < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        free(process);
        return fail(failure, KP_ERR_NO_MEMORY, "the compiler's process cannot be started: %s",
                    strerror(errno));
    }
    process->socket = sockets[0];
    process->clock_seconds = limits->clock_seconds ? limits->clock_seconds : 300;
    bool started = start(process, image, sockets[1]);
    close(sockets[1]);
    if (!started) {
        kp_status_t status = fail(failure, KP_ERR_NOT_SUPPORTED,
                                  "the compiler's process cannot be started: %s", strerror(errno));
        close(process->socket);
        free(process);
        return status;
    }
    const kp_compiler_order_t order = {
        .kind = KP_COMPILER_OPEN,
        .version = KP_COMPILER_VERSION,
        .features = features,
        .flags = options->flags,
        .cpu = options->cpu,
        .jobs = jobs,
        .cpu_seconds = limits->cpu_seconds ? limits->cpu_seconds : 60,
        .module_bytes = module_size,
        .memory_bytes = limits->memory_bytes ? limits->memory_bytes
                                             : ((uint64_t)2 << 30) + (uint64_t)module_size * 64,
        .code_bytes = options->code_maximum,
    };
    kp_compiler_reply_t reply = {0};
    kp_status_t status = ask(process, &order, module_file, &reply, failure);
    if (status == KP_ERR_NOT_SUPPORTED && !process->is_dead &&
        reply.error_kind == KP_WASM_ERROR_NONE)
        (void)fail(failure, status, "this Linux does not confine the compiler's process (seccomp)");
    if (status != KP_OK) {
        kp_compiler_process_end(process);
        return status;
    }
    *result = process;
    return KP_OK;
}

void kp_compiler_process_stop(kp_compiler_process_t *process)
{
    syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
}

void kp_compiler_process_end(kp_compiler_process_t *process)
{
    if (!process)
        return;
    close(process->socket);
    if (!process->is_dead) {
        /* It has nothing that could be lost. */
        syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
        (void)say_death(process, NULL);
    }
    close(process->pidfd);
    free(process);
}

kp_status_t kp_compiler_process_validate(kp_compiler_process_t *process,
                                         kp_compile_failure_t *failure)
{
    const kp_compiler_order_t order = {.kind = KP_COMPILER_VALIDATE,
                                       .version = KP_COMPILER_VERSION};
    kp_compiler_reply_t reply = {0};
    return ask(process, &order, -1, &reply, failure);
}

kp_status_t kp_compiler_process_compile(kp_compiler_process_t *process, uint32_t first,
                                        uint32_t count, kp_compiled_t *compiled,
                                        kp_compile_failure_t *failure)
{
    const kp_compiler_order_t order = {.kind = KP_COMPILER_COMPILE,
                                       .version = KP_COMPILER_VERSION,
                                       .first = first,
                                       .count = count};
    kp_compiler_reply_t reply = {0};
    struct stat stat;
    *compiled = (kp_compiled_t){0};
    int file = memfd_create("kpio-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0)
        return fail(failure, KP_ERR_NO_MEMORY, "compiling: %s", strerror(errno));
    kp_status_t status = ask(process, &order, file, &reply, failure);
    if (status == KP_OK && (fstat(file, &stat) != 0 || (uint64_t)stat.st_size != reply.size ||
                            reply.size < sizeof(kp_wasm_code_header_t)))
        status = fail(failure, KP_ERR_PROTOCOL, "the compiler's process gave no code");
    if (status == KP_OK) {
        compiled->size = (size_t)reply.size;
        compiled->bytes = kp_wasm_platform_code_seal(file, 0, compiled->size);
        if (!compiled->bytes)
            status = fail(failure, KP_ERR_NO_MEMORY, "the code cannot be sealed and mapped: %s",
                          strerror(errno));
    }
    close(file);
    return status;
}

void kp_compiled_unmap(kp_compiled_t *compiled)
{
    if (compiled->bytes)
        munmap((void *)(uintptr_t)compiled->bytes, compiled->size);
    *compiled = (kp_compiled_t){0};
}

int kp_compiler_process_number(const kp_compiler_process_t *process)
{
    return process->number;
}
