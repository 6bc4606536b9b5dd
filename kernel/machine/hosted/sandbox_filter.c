/* The filters of a KPIO process. The agent's comes first and holds for all of its threads; the program's
   threads, the first one and further ones, add the second before they run anything of the program. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/base/base.h"
#include "kernel/machine/hosted/sandbox.h"

#define LOAD_FIELD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARGUMENT(n) LOAD_FIELD(args[n])
#define LOAD_ARGUMENT_HIGH(n) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]) + 4)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define KILL RETURN(SECCOMP_RET_KILL_PROCESS)
/* Goes on when equal, else skips `count` instructions. */
#define UNLESS_EQUAL(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))
/* Skips `count` instructions when equal. */
#define IF_EQUAL(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (count), 0)
#define ALLOW_CALL(number) UNLESS_EQUAL(number, 1), ALLOW
#define CHECK_MACHINE                                       \
    LOAD_FIELD(arch), IF_EQUAL(AUDIT_ARCH_X86_64, 1), KILL, \
        LOAD_FIELD(nr) /* numbers of the x32 interface equal none of these */
/* Wait and wake, nothing cleverer; first, for it is most of what is called. */
#define ALLOW_FUTEX                                                        \
    UNLESS_EQUAL(SYS_futex, 5), LOAD_ARGUMENT(1), IF_EQUAL(FUTEX_WAIT, 1), \
        UNLESS_EQUAL(FUTEX_WAKE, 1), ALLOW, KILL

/* The first for Linux without the two; the second lets nothing through that depends on arguments, so that
   Linux remembers it and does not run it. */
static const struct sock_filter program_filter_old[] = {
    CHECK_MACHINE,
    ALLOW_FUTEX,
    ALLOW_CALL(SYS_clock_gettime),
    ALLOW_CALL(SYS_exit),
    ALLOW_CALL(SYS_exit_group),
    KILL,
};
static const struct sock_filter program_filter[] = {
    CHECK_MACHINE,
    ALLOW_CALL(KP_HOST_FUTEX_WAKE),
    ALLOW_CALL(KP_HOST_FUTEX_WAIT),
    ALLOW_CALL(SYS_clock_gettime),
    ALLOW_CALL(SYS_exit),
    ALLOW_CALL(SYS_exit_group),
    KILL,
};

static const struct sock_filter agent_filter[] = {
    CHECK_MACHINE,
    ALLOW_CALL(KP_HOST_FUTEX_WAKE),
    ALLOW_CALL(KP_HOST_FUTEX_WAIT),
    ALLOW_FUTEX,
    ALLOW_CALL(SYS_clock_gettime),
    ALLOW_CALL(SYS_recvmsg),
    ALLOW_CALL(SYS_close),
    ALLOW_CALL(SYS_munmap),
    ALLOW_CALL(SYS_exit),
    ALLOW_CALL(SYS_exit_group),
    ALLOW_CALL(SYS_sigaltstack),
    ALLOW_CALL(SYS_arch_prctl),
    ALLOW_CALL(SYS_rt_sigprocmask),
    ALLOW_CALL(SYS_seccomp),
    /* write: to the control socket */
    UNLESS_EQUAL(SYS_write, 4),
    LOAD_ARGUMENT(0),
    UNLESS_EQUAL(KP_SANDBOX_CONTROL_FILE, 1),
    ALLOW,
    KILL,
    /* clone: threads */
    UNLESS_EQUAL(SYS_clone, 4),
    LOAD_ARGUMENT(0),
    UNLESS_EQUAL(KP_SANDBOX_CLONE_FLAGS, 1),
    ALLOW,
    KILL,
    /* mmap: at a fixed place; shared, or anonymous and not executable; never writable and executable */
    UNLESS_EQUAL(SYS_mmap, 15),
    LOAD_ARGUMENT_HIGH(2),
    UNLESS_EQUAL(0, 6),
    LOAD_ARGUMENT(3),
    IF_EQUAL(MAP_SHARED | MAP_FIXED, 5),
    UNLESS_EQUAL(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, 3),
    LOAD_ARGUMENT(2),
    UNLESS_EQUAL(PROT_READ | PROT_WRITE, 1),
    ALLOW,
    KILL,
    LOAD_ARGUMENT(2),
    IF_EQUAL(PROT_READ, 3),
    IF_EQUAL(PROT_READ | PROT_WRITE, 2),
    IF_EQUAL(PROT_READ | PROT_EXEC, 1),
    KILL,
    ALLOW,
    KILL,
};

struct sock_fprog kp_sandbox_filter_agent(void)
{
    return (struct sock_fprog){KP_ARRAY_COUNT(agent_filter), (struct sock_filter *)agent_filter};
}

struct sock_fprog kp_sandbox_filter_program(void)
{
    if (!kp_futex_is_split)
        return (struct sock_fprog){KP_ARRAY_COUNT(program_filter_old),
                                   (struct sock_filter *)program_filter_old};
    return (struct sock_fprog){KP_ARRAY_COUNT(program_filter),
                               (struct sock_filter *)program_filter};
}
