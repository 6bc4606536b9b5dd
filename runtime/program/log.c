/* The log, and how a program ends when it finds itself wrong: abort and assert. Defining them here
   keeps libc's versions out of the link. */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/program/internal.h"
#include "runtime/program/kp.h"

#define LOG_LINE_MAX 1024 /* as debug_log */

void kp_vlog(const char *format, va_list values)
{
    char line[LOG_LINE_MAX];
    int length = vsnprintf(line, sizeof(line), format, values);
    if (length < 0)
        return;
    size_t count = (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1;
    if (count > 0 && line[count - 1] == '\n')
        count--;
    (void)kp_debug_log(line, count); /* a lost log line must not stop the program */
}

void kp_log(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    kp_vlog(format, values);
    va_end(values);
}

_Noreturn void abort(void)
{
    kp_output_flush();
    kp_process_trap(KP_TRAP_ABORT, 0);
}

_Noreturn void __assert_fail(const char *expression, const char *file, int line,
                             const char *function);
_Noreturn void __assert_fail(const char *expression, const char *file, int line,
                             const char *function)
{
    kp_log("%s:%d: %s: assertion failed: %s", file, line, function, expression);
    abort();
}
