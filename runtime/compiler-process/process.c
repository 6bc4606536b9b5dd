/* The compiler's process: a program of its own, statically linked, which libkpwasm and kpio carry inside
   (image.S) and start for a module that has to be compiled (client.c). It gets limits, the module and the files to write to
   through its socket, gives up everything else before it looks at the module's first byte, and ends with
   the socket. */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/compiler-process/memory.h"
#include "runtime/compiler-process/parallel.h"
#include "runtime/compiler-process/protocol.h"
#include "runtime/compiler-process/sandbox.h"

static kp_wasm_module_t *module;
static kp_wasm_compile_options_t options;
static unsigned jobs;

/* ---- messages ---- */

static bool reply(kp_status_t status, const kp_wasm_error_t *error, uint64_t size)
{
    kp_compiler_reply_t answer = {.status = status, .size = size};
    if (error && error->kind != KP_WASM_ERROR_NONE) {
        answer.error_kind = error->kind;
        answer.offset = error->offset;
        answer.function = error->function;
        strncpy(answer.reason, error->reason ? error->reason : "", sizeof answer.reason - 1);
        memcpy(answer.detail, error->detail, sizeof answer.detail);
    }
    struct iovec part = {&answer, sizeof answer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(KP_COMPILER_SOCKET, &message, MSG_NOSIGNAL) == sizeof answer;
}

/* ---- orders ---- */

/* Never above what it is. */
static bool limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return false;
    limit.rlim_max = hard < limit.rlim_max ? hard : limit.rlim_max;
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    return setrlimit(resource, &limit) == 0;
}

/* Everything is given up but the socket, the module and what the sandbox lets through. */
static bool confine(const kp_compiler_order_t *order, int file)
{
    if (file < 0 || (file != KP_COMPILER_SOCKET + 1 && dup2(file, KP_COMPILER_SOCKET + 1) < 0))
        return false;
    /* Only pthread_create still uses malloc, which reads files of the system for arenas of threads. */
    mallopt(M_ARENA_MAX, 1);
    return syscall(SYS_close_range, 0, KP_COMPILER_SOCKET - 1, 0) == 0 &&
           syscall(SYS_close_range, KP_COMPILER_SOCKET + 2, ~0u, 0) == 0 &&
           prctl(PR_SET_DUMPABLE, 0) == 0 && limit(RLIMIT_CORE, 0, 0) &&
           limit(RLIMIT_CPU, order->cpu_seconds, order->cpu_seconds + (uint64_t)1) &&
           limit(RLIMIT_AS, order->memory_bytes, order->memory_bytes) &&
           limit(RLIMIT_FSIZE, order->memory_bytes, order->memory_bytes) &&
           kp_compiler_sandbox_enter();
}

static kp_status_t open_module(const kp_compiler_order_t *order, kp_wasm_error_t *error)
{
    kp_wasm_options_t decode = kp_wasm_options_init(kp_process_allocator);
    decode.features = order->features;
    options = kp_wasm_compile_options_init(kp_process_allocator);
    options.flags = order->flags;
    options.cpu = order->cpu;
    options.code_maximum = order->code_bytes;
    jobs = order->jobs;
    /* Sealed by the host: it cannot change. */
    const void *bytes = "";
    if (order->module_bytes)
        bytes = mmap(NULL, order->module_bytes, PROT_READ, MAP_PRIVATE, KP_COMPILER_SOCKET + 1, 0);
    if (bytes == MAP_FAILED)
        return KP_ERR_NO_MEMORY;
    close(KP_COMPILER_SOCKET + 1);
    return kp_wasm_module_decode(bytes, order->module_bytes, &decode, &module, error);
}

static bool write_whole(int file, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(file, bytes, size);
        if (count <= 0)
            return false;
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

static kp_status_t compile(const kp_compiler_order_t *order, int file, kp_wasm_error_t *error,
                           uint64_t *size)
{
    kp_wasm_artefact_t artefact;
    kp_status_t status =
        options.flags & KP_WASM_COMPILE_LAZY
            ? kp_wasm_compile_range(module, &options, order->first, order->count, &artefact, error)
            : kp_wasm_compile_parallel(module, &options, jobs, &artefact, error);
    if (status != KP_OK)
        return status;
    *size = artefact.size;
    if (!write_whole(file, artefact.bytes, artefact.size))
        status = KP_ERR_NO_MEMORY;
    kp_wasm_artefact_free(&artefact);
    return status;
}

int main(void)
{
    kp_compiler_order_t order;
    int file;
    kp_wasm_error_t error = {0};
    /* The host started it with all signals blocked, some perhaps ignored. */
    sigset_t none;
    sigemptyset(&none);
    (void)signal(SIGXCPU, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error of write */
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!kp_compiler_order_receive(&order, &file) || order.kind != KP_COMPILER_OPEN)
        return 2;
    if (!confine(&order, file)) {
        reply(KP_ERR_NOT_SUPPORTED, NULL, 0);
        return 3;
    }
    kp_status_t status = open_module(&order, &error);
    if (!reply(status, &error, 0) || status != KP_OK)
        return 0;
    while (kp_compiler_order_receive(&order, &file)) {
        uint64_t size = 0;
        error = (kp_wasm_error_t){0};
        if (order.kind == KP_COMPILER_VALIDATE)
            status = kp_wasm_validate_parallel(module, kp_process_allocator, jobs, &error);
        else if (order.kind == KP_COMPILER_COMPILE && file >= 0)
            status = compile(&order, file, &error, &size);
        else
            break;
        if (file >= 0)
            close(file);
        if (!reply(status, &error, size))
            break;
    }
    return 0;
}
