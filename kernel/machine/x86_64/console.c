/* The first serial port (16550 at 0x3f8, 115200 8N1) and the kernel's log on it. */
#include "kernel/machine/x86_64/console.h"

#include "kernel/machine/machine.h"
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/serial.h"
#include "kernel/machine/x86_64/trap.h"

enum {
    PORT = 0x3f8,
    WAIT_MAX = 1000000,
    LINE_MAX = 1200,
};

static kp_spinlock_t lock;
static bool absent;
static bool panicking;
static int level_max = KP_LOG_INFO;

void kp_x86_console_init(void)
{
    kp_x86_serial_init(PORT);
    absent = !kp_x86_serial_is_there(PORT);
}

static void transmit(const char *bytes, size_t count)
{
    if (!absent)
        absent = !kp_x86_serial_write(PORT, bytes, count, WAIT_MAX);
}

void kp_x86_console_write(const char *bytes, size_t count)
{
    if (panicking) {
        transmit(bytes, count);
        return;
    }
    kp_spin_lock(&lock);
    transmit(bytes, count);
    kp_spin_unlock(&lock);
}

void kp_x86_console_panic(void)
{
    panicking = true;
}

void kp_x86_console_stop(const char *text, const char *detail, const char *tail)
{
    kp_x86_interrupts_off();
    kp_x86_console_panic();
    const char *const parts[] = {"\r\nKPIO cannot start: ", text, detail, tail, "\r\n"};
    for (unsigned i = 0; i < KP_ARRAY_COUNT(parts); i++)
        transmit(parts[i], strlen(parts[i]));
    kp_machine_shutdown(1);
}

void kp_x86_log_level(int level)
{
    level_max = level;
}

void kp_log(const char *area, int level, const char *format, ...)
{
    static const char *const marks[] = {"error: ", "warning: ", "", ""};
    if (level > level_max || level < 0)
        return;
    char line[LINE_MAX];
    uint64_t us = (uint64_t)kp_machine_now() / 1000;
    int used =
        kp_snprintf(line, sizeof(line), "[%5llu.%06llu] %s: %s", (unsigned long long)(us / 1000000),
                    (unsigned long long)(us % 1000000), area, marks[KP_MIN(level, KP_LOG_DEBUG)]);
    va_list arguments;
    va_start(arguments, format);
    used += kp_vsnprintf(line + used, sizeof(line) - (size_t)used - 2, format, arguments);
    va_end(arguments);
    size_t length = KP_MIN((size_t)used, sizeof(line) - 3);
    /* One line is one line, whatever a process puts into it. */
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' && line[i] != '\t')
            line[i] = ' ';
    line[length++] = '\r';
    line[length++] = '\n';
    kp_x86_console_write(line, length);
}
