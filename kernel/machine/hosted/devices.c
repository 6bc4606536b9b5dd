/* console0 (bytes to standard output) and rng0 (the host's entropy). */
#include <errno.h>
#include <unistd.h>

#include "abi/device.h"
#include "kernel/machine/hosted/hosted_internal.h"

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

static const kp_device_ops_t console_ops = {.write = console_write};
static kp_device_t console = {.kind = KP_DEVICE_CONSOLE, .name = "console0", .ops = &console_ops};

kp_status_t kp_hosted_console_start(void)
{
    kp_status_t status = kp_device_register(&console);
    if (status == KP_OK)
        kp_device_signal(&console, 0, KP_SIGNAL_WRITABLE);
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
