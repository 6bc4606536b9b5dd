/* Formatting by the kernel's own printf; standard output to a console device or the log, by lines. */
#include <stdio.h>

#include <string.h>

#include "runtime/native/native.h"
#include "runtime/program/internal.h"
#include "runtime/program/kp.h"

/* kernel/base/snprintf.c, linked here too; its header has a kp_log of the kernel's. */
int kp_vsnprintf(char *to, size_t size, const char *format, va_list arguments);

struct kp_native_file {
    char bytes[1024]; /* as debug_log */
    size_t count;
    kp_handle_t console;
};

static FILE output;
FILE *const stdout = &output;
FILE *const stderr = &output;

/* What the device does not take is lost: output must not stop a program. */
static void console_write(const char *bytes, size_t count)
{
    while (count > 0) {
        int64_t written = kp_device_write(output.console, bytes, count);
        if (written == KP_ERR_SHOULD_WAIT) {
            if (kp_object_wait_one(output.console, KP_SIGNAL_WRITABLE, KP_TIME_INFINITE, NULL) !=
                KP_OK)
                return;
        } else if (written <= 0) {
            return;
        } else {
            bytes += written;
            count -= (size_t)written;
        }
    }
}

void kp_output_flush(void)
{
    if (output.count == 0)
        return;
    if (output.console != KP_HANDLE_NONE)
        console_write(output.bytes, output.count);
    else
        (void)kp_debug_log(output.bytes, output.count - (output.bytes[output.count - 1] == '\n'));
    output.count = 0;
}

void kp_native_output_set(kp_handle_t console)
{
    kp_output_flush();
    output.console = console;
}

void kp_native_output(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        output.bytes[output.count++] = bytes[i];
        if (bytes[i] == '\n' || output.count == sizeof output.bytes)
            kp_output_flush();
    }
}

int vsnprintf(char *to, size_t size, const char *format, va_list values)
{
    return kp_vsnprintf(to, size, format, values);
}

int snprintf(char *to, size_t size, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = kp_vsnprintf(to, size, format, values);
    va_end(values);
    return length;
}

int vfprintf(FILE *file, const char *format, va_list values)
{
    char text[4096]; /* longer ones are cut */
    (void)file;
    int length = kp_vsnprintf(text, sizeof text, format, values);
    kp_native_output(text, strnlen(text, sizeof text));
    return length;
}

int vprintf(const char *format, va_list values)
{
    return vfprintf(stdout, format, values);
}

int fprintf(FILE *file, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vfprintf(file, format, values);
    va_end(values);
    return length;
}

int printf(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vfprintf(stdout, format, values);
    va_end(values);
    return length;
}

int fputs(const char *text, FILE *file)
{
    (void)file;
    kp_native_output(text, strlen(text));
    return 0;
}

int puts(const char *text)
{
    fputs(text, stdout);
    return putchar('\n');
}

int putchar(int character)
{
    const char c = (char)character;
    kp_native_output(&c, 1);
    return (unsigned char)c;
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file)
{
    (void)file;
    kp_native_output(bytes, size * count);
    return count;
}

int fflush(FILE *file)
{
    (void)file;
    kp_output_flush();
    return 0;
}
