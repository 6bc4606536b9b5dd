/* The zygote: a copy of this program from before it had threads, memory or secrets, which forks the
   processes. It speaks with the kernel over one socket and reaps what it forked. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/machine/hosted/child.h"

ssize_t kp_hosted_send(int socket, const void *bytes, size_t size, const int *files,
                       size_t file_count)
{
    union {
        char space[CMSG_SPACE(sizeof(int) * KP_ZYGOTE_FILES_MAX)];
        struct cmsghdr align;
    } control = {0};
    struct iovec vector = {(void *)bytes, size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (file_count > 0) {
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * file_count);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * file_count);
        memcpy(CMSG_DATA(head), files, sizeof(int) * file_count);
    }
    ssize_t count;
    do
        count = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    return count;
}

ssize_t kp_hosted_receive(int socket, void *bytes, size_t size, int *files, size_t *file_count,
                          int flags)
{
    union {
        char space[CMSG_SPACE(sizeof(int) * KP_ZYGOTE_FILES_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec vector = {bytes, size};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    size_t room = *file_count;
    *file_count = 0;
    ssize_t count;
    do
        count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    while (count < 0 && errno == EINTR);
    struct cmsghdr *head = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
        size_t came = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < came; i++) {
            int file;
            memcpy(&file, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
            if (i < room)
                files[(*file_count)++] = file;
            else
                close(file);
        }
    }
    return count;
}

/* The living, so that a death can be told by the kernel's id. */
static struct {
    uint64_t id;
    pid_t pid;
} living[KP_ZYGOTE_PROCESSES_MAX];
static size_t living_count;

static void notify(int socket, const kp_zygote_notice_t *notice, int pid_file)
{
    /* A full socket buffer waits; a dead kernel ends us by PR_SET_PDEATHSIG. */
    (void)kp_hosted_send(socket, notice, sizeof(*notice), &pid_file, pid_file >= 0);
}

static uint64_t time_ns(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_usec * 1000u;
}

static void reap(int socket)
{
    int status;
    pid_t pid;
    struct rusage usage;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        for (size_t i = 0; i < living_count; i++) {
            if (living[i].pid != pid)
                continue;
            kp_zygote_notice_t notice = {.id = living[i].id,
                                         .pid = pid,
                                         .is_dead = 1,
                                         .status = status,
                                         .cpu_time_ns =
                                             time_ns(&usage.ru_utime) + time_ns(&usage.ru_stime),
                                         .faults = (uint64_t)(usage.ru_minflt + usage.ru_majflt)};
            living[i] = living[--living_count];
            notify(socket, &notice, -1);
            break;
        }
    }
}

static void spawn(int socket, int signals, const kp_zygote_request_t *request, const int *files)
{
    kp_zygote_notice_t notice = {.id = request->id};
    pid_t zygote = getpid();
    pid_t pid = living_count < KP_ZYGOTE_PROCESSES_MAX ? fork() : -1;
    if (pid == 0) {
        close(socket);
        close(signals);
        /* Dies with the zygote, which dies with the kernel. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != zygote)
            _exit(1);
        kp_sandbox_enter(request, files);
    }
    int pid_file = -1;
    if (pid > 0) {
        living[living_count].id = request->id;
        living[living_count++].pid = pid;
        notice.pid = pid;
        pid_file = (int)syscall(SYS_pidfd_open, pid, 0);
    }
    notify(socket, &notice, pid_file);
    if (pid_file >= 0)
        close(pid_file);
}

_Noreturn static void run(int socket)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        _exit(1);
    for (;;) {
        struct pollfd items[2] = {{.fd = socket, .events = POLLIN},
                                  {.fd = signals, .events = POLLIN}};
        if (poll(items, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (items[1].revents) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof(info)) > 0)
                ;
            reap(socket);
        }
        if (!items[0].revents)
            continue;
        kp_zygote_request_t request;
        int files[KP_ZYGOTE_FILES_MAX];
        size_t file_count = KP_ZYGOTE_FILES_MAX;
        ssize_t count = kp_hosted_receive(socket, &request, sizeof(request), files, &file_count, 0);
        if (count <= 0)
            _exit(0); /* the kernel is gone */
        if (count == sizeof(request) && file_count == request.file_count)
            spawn(socket, signals, &request, files);
        for (size_t i = 0; i < file_count; i++)
            close(files[i]);
    }
}

/* One more wall behind the seccomp filter, where the host permits it: no user, no network, no
   shared memory of the host's. The zygote does it once for all processes (0.5 ms). The filter is
   what the sandbox relies on, so a refusal is no error. */
static void isolate(void)
{
    static const int spaces[] = {CLONE_NEWUSER, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET};
    for (size_t i = 0; i < KP_ARRAY_COUNT(spaces); i++)
        (void)unshare(spaces[i]);
}

int kp_zygote_start(int *zygote_pid)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return KP_ERR_NO_MEMORY;
    pid_t kernel = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        close(sockets[0]);
        close(sockets[1]);
        return KP_ERR_NO_MEMORY;
    }
    if (pid == 0) {
        close(sockets[0]);
        isolate();
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of user name space, which clears it */
        if (getppid() != kernel)
            _exit(1);
        prctl(PR_SET_NAME, "kpio-zygote");
        /* A terminal's Ctrl-C goes to every process of the group: the kernel decides for all. */
        setpgid(0, 0);
        /* Processes are copies of this one: the user's environment is none of their business. */
        for (char **variable = environ; variable && *variable; variable++)
            memset(*variable, 0, strlen(*variable));
        run(sockets[1]);
    }
    close(sockets[1]);
    *zygote_pid = pid;
    return sockets[0];
}
