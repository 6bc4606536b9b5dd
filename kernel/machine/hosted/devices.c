/* console0 (bytes to standard output, and from standard input if that is wanted) and rng0 (the host's entropy). */
#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "abi/device.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/object/thread.h"

static int64_t console_write(kp_device_t *device, const void *from, size_t count)
{
    (void)device;
    ssize_t written;
    do
        written = write(STDOUT_FILENO, from, count);
    while (written < 0 && errno == EINTR);
    if (written < 0)
        return errno == EAGAIN ? KP_ERR_SHOULD_WAIT : KP_ERR_IO;
    return written;
}

/* What the reading thread got and nobody has taken yet. */
static struct {
    kp_spinlock_t lock;
    sem_t empty; /* the thread may read on */
    uint8_t bytes[4096];
    size_t at, count; /* guarded by: lock */
    bool ended;       /* guarded by: lock */
    bool asked;       /* somebody wants to read; guarded by: lock */
} input;

static int64_t console_read(kp_device_t *device, void *to, size_t capacity)
{
    kp_spin_lock(&input.lock);
    bool first = !input.asked;
    input.asked = true;
    size_t count = KP_MIN(capacity, input.count);
    memcpy(to, input.bytes + input.at, count);
    input.at += count;
    input.count -= count;
    bool drained = count > 0 && input.count == 0, ended = input.ended;
    if (drained && !ended)
        kp_device_signal(device, KP_SIGNAL_READABLE, 0);
    kp_spin_unlock(&input.lock);
    if (drained || first)
        sem_post(&input.empty);
    if (count > 0)
        return (int64_t)count;
    return ended ? KP_ERR_PEER_CLOSED : KP_ERR_SHOULD_WAIT;
}

static void console_input_run(void *argument)
{
    kp_device_t *device = argument;
    bool ended = false;
    while (!ended) {
        while (sem_wait(&input.empty) != 0)
            continue;
        uint8_t bytes[sizeof(input.bytes)];
        ssize_t count;
        do
            count = read(STDIN_FILENO, bytes, sizeof(bytes));
        while (count < 0 && errno == EINTR);
        ended = count <= 0;
        kp_spin_lock(&input.lock);
        if (!ended)
            memcpy(input.bytes, bytes, (size_t)count);
        input.at = 0;
        input.count = ended ? 0 : (size_t)count;
        input.ended = ended;
        /* At its end it stays readable: a read says so at once. */
        kp_device_signal(device, 0, KP_SIGNAL_READABLE | (ended ? KP_SIGNAL_PEER_CLOSED : 0));
        kp_spin_unlock(&input.lock);
    }
}

static const kp_device_ops_t console_ops = {.write = console_write};
static const kp_device_ops_t console_both_ops = {.write = console_write, .read = console_read};
static kp_device_t console = {.kind = KP_DEVICE_CONSOLE, .name = "console0", .ops = &console_ops};

kp_status_t kp_hosted_console_start(bool with_input)
{
    if (with_input) {
        kp_spin_init(&input.lock);
        /* A terminal is not read before a program does: it may be another job's. */
        input.asked = !isatty(STDIN_FILENO);
        sem_init(&input.empty, 0, input.asked);
        console.ops = &console_both_ops;
    }
    kp_status_t status = kp_device_register(&console);
    if (status == KP_OK)
        kp_device_signal(&console, 0, KP_SIGNAL_WRITABLE);
    if (status == KP_OK && with_input)
        status = kp_thread_create("console", console_input_run, &console, NULL);
    return status;
}

#define RNG_READ_MAX 4096u

static int64_t rng_read(kp_device_t *device, void *to, size_t capacity)
{
    (void)device;
    size_t count = KP_MIN(capacity, RNG_READ_MAX);
    kp_status_t status = kp_machine_random(to, count);
    return status == KP_OK ? (int64_t)count : status;
}

static const kp_device_ops_t rng_ops = {.read = rng_read};
static kp_device_t rng = {.kind = KP_DEVICE_RNG, .name = "rng0", .ops = &rng_ops};

kp_status_t kp_hosted_rng_start(void)
{
    kp_status_t status = kp_device_register(&rng);
    if (status == KP_OK)
        kp_device_signal(&rng, 0, KP_SIGNAL_READABLE);
    return status;
}
