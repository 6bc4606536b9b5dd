/* console1: the third serial port, for a program's output alone. The log has the first one; on a line of its own a
   program's bytes stay what they are, and cannot be taken for the kernel's. */
#include "kernel/drivers/serial_console.h"

#include "kernel/drivers/device.h"
#include "kernel/machine/x86_64/serial.h"

enum {
    PORT = 0x3e8,
    PART = 64, /* bytes between two looks at interrupts */
    WAIT_MAX =
        10000, /* looks at a port that is not ready, before the writer gets a turn at waiting */
};

static kp_spinlock_t lock;

/* The port has no interrupt here: it stays WRITABLE, and a writer whose reader is slow asks again. */
static int64_t serial_write(kp_device_t *device, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t done = 0;
    (void)device;
    while (done < count) {
        size_t part = KP_MIN(count - done, (size_t)PART);
        kp_spin_lock(&lock);
        size_t taken = kp_x86_serial_offer(PORT, bytes + done, part, WAIT_MAX);
        kp_spin_unlock(&lock);
        done += taken;
        if (taken < part)
            break;
    }
    return done > 0 ? (int64_t)done : KP_ERR_SHOULD_WAIT;
}

/* The machine's end would take away what the port still holds. */
static void serial_flush(kp_device_t *device, kp_time_t deadline)
{
    (void)device;
    while (!(kp_x86_in8(PORT + KP_X86_SERIAL_STATUS) & KP_X86_SERIAL_IDLE) &&
           kp_machine_now() < deadline)
        kp_machine_thread_park(kp_machine_now() + KP_NS_PER_MS);
}

static const kp_device_ops_t ops = {.write = serial_write, .flush = serial_flush};
static kp_device_t console = {.kind = KP_DEVICE_CONSOLE, .name = "console1", .ops = &ops};

void kp_serial_console_start(void)
{
    kp_spin_init(&lock);
    kp_x86_serial_init(PORT);
    kp_status_t status =
        kp_x86_serial_is_there(PORT) ? kp_device_register(&console) : KP_ERR_NOT_FOUND;
    if (status == KP_OK)
        kp_device_signal(&console, 0, KP_SIGNAL_WRITABLE);
    else
        kp_log("console", KP_LOG_WARN, "console1: %s", kp_status_name(status));
}
