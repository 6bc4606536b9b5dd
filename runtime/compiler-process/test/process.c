/* The compiler's process: the same code as in-process, errors with their place, its limits, its end, its sandbox. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/compiler-process/client.h"
#include "runtime/compiler-process/memory.h"
#include "runtime/compiler-process/parallel.h"
#include "runtime/compiler-process/sandbox.h"
#include "runtime/compiler-process/test/generate.h"
#include "tests/kp_test.h"
#include "runtime/wasm/heap.h"
static kp_status_t begin(const kp_bytes_t *bytes, uint32_t flags,
                         const kp_compiler_limits_t *limits, unsigned jobs,
                         kp_compiler_process_t **process, kp_compile_failure_t *failure)
{
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(kp_wasm_heap);
    options.flags = flags;
    int file = kp_compiler_module_file(bytes->at, bytes->size);
    if (file < 0)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_compiler_process_start(&options, KP_WASM_FEATURES_ALL, limits, jobs,
                                                   file, bytes->size, process, failure);
    close(file);
    return status;
}

static const kp_compiler_limits_t ordinary = {0};

/* Before Linux 6.7 a sealed file can only be mapped privately. */
static bool maps_sealed_shared(void)
{
    int file = kp_compiler_module_file("x", 1);
    void *at = mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    return at != MAP_FAILED && munmap(at, 1) == 0;
}

KP_TEST(same_code)
{
    kp_bytes_t bytes = kp_generate(1500);
    kp_wasm_options_t decode = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_module_t *module;
    KP_REQUIRE(kp_wasm_module_decode(bytes.at, bytes.size, &decode, &module, NULL) == KP_OK);
    for (unsigned jobs = 1; jobs <= 4; jobs++) {
        kp_compile_failure_t failure = {""};
        kp_compiler_process_t *process = NULL;
        kp_compiled_t compiled = {0};
        kp_wasm_artefact_t artefact = {0};
        uint32_t flags = jobs & 1 ? KP_WASM_COMPILE_GUARDED : KP_WASM_COMPILE_FUEL;
        KP_EXPECT_INT(begin(&bytes, flags, &ordinary, jobs, &process, &failure), KP_OK);
        KP_EXPECT_STRING(failure.text, "");
        KP_REQUIRE(process);
        KP_EXPECT_INT(kp_compiler_process_validate(process, &failure), KP_OK);
        KP_EXPECT_INT(kp_compiler_process_compile(process, 0, UINT32_MAX, &compiled, &failure),
                      KP_OK);
        KP_EXPECT_STRING(failure.text, "");
        kp_wasm_compile_options_t options = kp_wasm_compile_options_init(kp_wasm_heap);
        options.flags = flags;
        KP_REQUIRE(kp_wasm_compile(module, &options, &artefact, NULL) == KP_OK);
        KP_EXPECT_INT(compiled.size, artefact.size);
        KP_EXPECT(compiled.size == artefact.size &&
                  memcmp(compiled.bytes, artefact.bytes, artefact.size) == 0);
        if (maps_sealed_shared()) /* nobody makes it writable */
            KP_EXPECT(mprotect((void *)(uintptr_t)compiled.bytes, 4096, PROT_READ | PROT_WRITE) !=
                      0);
        kp_wasm_artefact_free(&artefact);
        kp_compiled_unmap(&compiled);
        kp_compiler_process_end(process);
    }
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

/* Much memory taken and given back by several threads: nothing that the sandbox forbids. */
KP_TEST(large)
{
    kp_bytes_t bytes = kp_generate(30000);
    kp_compile_failure_t failure = {""};
    kp_compiler_process_t *process;
    kp_compiled_t compiled;
    KP_REQUIRE(begin(&bytes, KP_WASM_COMPILE_GUARDED, &ordinary, 4, &process, &failure) == KP_OK);
    for (int i = 0; i < 3; i++) {
        KP_EXPECT_INT(kp_compiler_process_compile(process, 0, UINT32_MAX, &compiled, &failure),
                      KP_OK);
        KP_EXPECT_STRING(failure.text, "");
        kp_compiled_unmap(&compiled);
    }
    kp_compiler_process_end(process);
    free(bytes.at);
}

/* The process's allocator: blocks of all sizes keep what they hold and do not overlap. */
KP_TEST(memory)
{
    enum { COUNT = 300 };
    const kp_wasm_allocator_t *own = &kp_process_allocator;
    struct {
        uint8_t *at;
        size_t size;
        uint8_t mark;
    } blocks[COUNT] = {{0}};
    uint32_t random = 7;
    for (int turn = 0; turn < 20000; turn++) {
        random = random * 1664525 + 1013904223;
        unsigned i = (random >> 8) % COUNT;
        size_t size = (size_t)1 << (random >> 20) % 18;
        size = turn % 7 == 0 ? 0 : size + (random >> 3) % size;
        size_t kept = blocks[i].size < size ? blocks[i].size : size;
        if (!blocks[i].at && size == 0)
            continue;
        for (size_t k = 0; k < blocks[i].size; k += 97)
            KP_REQUIRE(blocks[i].at[k] == blocks[i].mark);
        blocks[i].at = own->resize(own->context, blocks[i].at, blocks[i].size, size);
        KP_REQUIRE((blocks[i].at != NULL) == (size != 0) && (uintptr_t)blocks[i].at % 16 == 0);
        for (size_t k = 0; k < kept; k += 97)
            KP_REQUIRE(blocks[i].at[k] == blocks[i].mark);
        blocks[i].mark = (uint8_t)turn;
        blocks[i].size = size;
        if (size)
            memset(blocks[i].at, blocks[i].mark, size);
    }
    KP_EXPECT(own->resize(own->context, NULL, 0, SIZE_MAX) == NULL);
    for (unsigned i = 0; i < COUNT; i++)
        if (blocks[i].at)
            own->resize(own->context, blocks[i].at, blocks[i].size, 0);
}

KP_TEST(bad_modules)
{
    kp_bytes_t bytes = kp_generate(10);
    kp_compile_failure_t failure;
    kp_compiler_process_t *process;
    kp_compiled_t compiled;
    /* A body that is bad: told with its place, and the process goes on. */
    uint8_t keep = bytes.at[bytes.size - 2];
    bytes.at[bytes.size - 2] = 0xff;
    KP_REQUIRE(begin(&bytes, KP_WASM_COMPILE_GUARDED, &ordinary, 2, &process, &failure) == KP_OK);
    KP_EXPECT_INT(kp_compiler_process_validate(process, &failure), KP_ERR_BAD_FORMAT);
    KP_EXPECT(strstr(failure.text, "at offset 0x") && strstr(failure.text, "in function 9"));
    KP_EXPECT_INT(kp_compiler_process_compile(process, 0, UINT32_MAX, &compiled, &failure),
                  KP_ERR_BAD_FORMAT);
    KP_EXPECT(strstr(failure.text, "at offset 0x") && strstr(failure.text, "in function 9"));
    kp_compiler_process_end(process);
    bytes.at[bytes.size - 2] = keep;
    /* Modules that end too early, at each byte of the head and some of the rest. */
    for (size_t size = 0; size < bytes.size; size += size < 64 ? 1 : 499) {
        kp_bytes_t cut = {bytes.at, size, 0};
        kp_status_t status = begin(&cut, 0, &ordinary, 1, &process, &failure);
        if (size == 8 || size == 14) { /* nothing, and a type: modules */
            KP_EXPECT_INT(status, KP_OK);
            kp_compiler_process_end(process);
            continue;
        }
        KP_EXPECT_INT(status, KP_ERR_BAD_FORMAT);
        KP_EXPECT(strstr(failure.text, "at offset 0x"));
    }
    free(bytes.at);
}

KP_TEST(limits)
{
    kp_bytes_t bytes = kp_generate(3000);
    kp_compile_failure_t failure;
    kp_compiler_process_t *process;
    kp_compiled_t compiled;
    kp_status_t status;
    /* Memory: an error of the compiler's, the process lives on. */
    kp_compiler_limits_t limits = {.memory_bytes = 4 << 20};
    KP_REQUIRE(begin(&bytes, KP_WASM_COMPILE_GUARDED, &limits, 1, &process, &failure) == KP_OK);
    KP_EXPECT_INT(kp_compiler_process_compile(process, 0, UINT32_MAX, &compiled, &failure),
                  KP_ERR_NO_MEMORY);
    KP_EXPECT(strstr(failure.text, "memory"));
    KP_EXPECT_INT(kp_compiler_process_validate(process, &failure), KP_OK);
    kp_compiler_process_end(process);
    /* Processor time. */
    limits = (kp_compiler_limits_t){.cpu_seconds = 1};
    KP_REQUIRE(begin(&bytes, KP_WASM_COMPILE_GUARDED, &limits, 1, &process, &failure) == KP_OK);
    for (int i = 0; i < 100000; i++) {
        status = kp_compiler_process_compile(process, 0, UINT32_MAX, &compiled, &failure);
        kp_compiled_unmap(&compiled);
        if (status != KP_OK)
            break;
    }
    KP_EXPECT_INT(status, KP_ERR_QUOTA);
    KP_EXPECT(strstr(failure.text, "processor time"));
    KP_EXPECT_INT(kp_compiler_process_validate(process, &failure), KP_ERR_PROCESS_DEAD);
    kp_compiler_process_end(process);
    /* The clock: it answers nothing any more. */
    limits = (kp_compiler_limits_t){.clock_seconds = 1};
    KP_REQUIRE(begin(&bytes, KP_WASM_COMPILE_GUARDED, &limits, 1, &process, &failure) == KP_OK);
    kill(kp_compiler_process_number(process), SIGSTOP);
    KP_EXPECT_INT(kp_compiler_process_validate(process, &failure), KP_ERR_TIMED_OUT);
    KP_EXPECT(strstr(failure.text, "no answer"));
    kp_compiler_process_end(process);
    /* It dies. */
    KP_REQUIRE(begin(&bytes, KP_WASM_COMPILE_GUARDED, &ordinary, 1, &process, &failure) == KP_OK);
    kill(kp_compiler_process_number(process), SIGSEGV);
    KP_EXPECT_INT(kp_compiler_process_compile(process, 0, UINT32_MAX, &compiled, &failure),
                  KP_ERR_PROCESS_DEAD);
    KP_EXPECT(strstr(failure.text, "died of signal 11"));
    kp_compiler_process_end(process);
    free(bytes.at);
}

/* What it holds while it waits: the socket, and nothing of ours; no memory that is writable and executable. */
KP_TEST(possessions)
{
    kp_bytes_t bytes = kp_generate(10);
    kp_compile_failure_t failure;
    kp_compiler_process_t *process;
    int mine = open("/dev/null", O_RDONLY); /* not close-on-exec */
    KP_REQUIRE(begin(&bytes, KP_WASM_COMPILE_GUARDED, &ordinary, 1, &process, &failure) == KP_OK);
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/fd", kp_compiler_process_number(process));
    DIR *folder = opendir(path); /* it is not dumpable: only root may look */
    int count = 0;
    for (const struct dirent *item; folder && (item = readdir(folder)) != NULL;)
        count += item->d_name[0] != '.';
    if (folder) {
        KP_EXPECT_INT(count, 1);
        closedir(folder);
    }
    snprintf(path, sizeof path, "/proc/%d/maps", kp_compiler_process_number(process));
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof line, maps))
        KP_EXPECT(!strstr(line, "rwx") && !strstr(line, "-wx"));
    if (maps)
        fclose(maps);
    snprintf(path, sizeof path, "/proc/%d/environ", kp_compiler_process_number(process));
    FILE *environment = fopen(path, "r");
    KP_EXPECT(!environment || fgetc(environment) == EOF);
    if (environment)
        fclose(environment);
    kp_compiler_process_end(process);
    close(mine);
    free(bytes.at);
}

/* Each of these calls ends a process in the sandbox. */
static void forbidden(int which)
{
    static char page[8192] __attribute__((aligned(4096)));
    switch (which) {
    case 0:
        syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
        break;
    case 1:
        syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
        break;
    case 2:
        syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        break;
    case 3:
        syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC);
        break;
    case 4:
        syscall(SYS_mprotect, page, 4096, (uint64_t)1 << 32);
        break;
    case 5:
        syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL); /* a process, not a thread */
        break;
    case 6:
        syscall(SYS_execve, "/bin/true", NULL, NULL);
        break;
    case 7:
        syscall(SYS_kill, getppid(), 0);
        break;
    case 8:
        syscall(SYS_ptrace, 0, 0, NULL, NULL);
        break;
    case 9:
        syscall(SYS_memfd_create, "x", 0);
        break;
    case 10:
        syscall(SYS_fcntl, 0, F_DUPFD, 0);
        break;
    case 11:
        syscall(SYS_prctl, PR_SET_DUMPABLE, 1);
        break;
    case 12:
        syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
        break;
    case 13:
        syscall(SYS_write | 0x40000000, 1, "x", 1); /* the x32 number */
        break;
    case 14:
        syscall(SYS_setrlimit, 0, NULL);
        break;
    case 15:
        syscall(SYS_pkey_mprotect, page, 4096, PROT_EXEC, -1);
        break;
    case 16:
        syscall(SYS_ioctl, 0, 0, 0);
        break;
    default:
        syscall(SYS_unlinkat, AT_FDCWD, "/nothing", 0);
    }
}

KP_TEST(sandbox)
{
    for (int which = -1; which < 18; which++) {
        pid_t child = fork();
        if (child == 0) {
            if (!kp_compiler_sandbox_enter())
                _exit(9);
            if (which >= 0)
                forbidden(which);
            /* What is allowed: memory, and clone3 says that it does not exist. */
            long memory = syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            bool good = memory > 0 && syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS;
            syscall(SYS_exit_group, good ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        if (which < 0)
            KP_EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        else if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            KP_FAIL("call %d: status 0x%x", which, status);
    }
}

/* Not asserted: what a process costs. */
KP_TEST(start)
{
    kp_bytes_t bytes = kp_generate(1);
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        kp_compiler_process_t *process;
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        KP_REQUIRE(begin(&bytes, 0, &ordinary, 1, &process, NULL) == KP_OK);
        clock_gettime(CLOCK_MONOTONIC, &b);
        kp_compiler_process_end(process);
        double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
        best = ms < best ? ms : best;
    }
    printf("# a process and an empty module: %.2f ms, best of 20\n", best);
    free(bytes.at);
}

KP_TEST_MAIN()
