/* A guest's serial line taken apart: the program's bytes and the kernel's log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/machine/x86_64/console_frame.h"
#include "tools/kpio/program.h"

/* 0, or errno. */
static int write_all(int file, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

static void program_write(kp_user_output_t *output, const char *bytes, size_t count)
{
    if (!output->error && count > 0)
        output->error = write_all(STDOUT_FILENO, bytes, count);
}

static void log_line_end(kp_user_output_t *output)
{
    static const char end[] = "] boot: program ended with ";
    output->line[output->used] = '\0';
    if (output->used > 0 && output->line[output->used - 1] == '\r')
        output->line[--output->used] = '\0';
    if (output->log >= 0 && write_all(output->log, output->line, output->used) == 0)
        (void)write_all(output->log, "\n", 1);
    /* Directly after the stamp: elsewhere a process may have had it written. */
    const char *stamp = strchr(output->line, ']');
    if (stamp && strncmp(stamp, end, sizeof end - 1) == 0)
        output->code = atoi(stamp + sizeof end - 1);
    output->used = 0;
}

void kp_user_output_add(kp_user_output_t *output, const char *bytes, size_t count,
                        void (*log_line)(void *context, const char *line), void *context)
{
    size_t plain = 0; /* bytes of the program before i that are not written yet */
    for (size_t i = 0; i < count; i++) {
        if (!output->is_program) {
            if (bytes[i] == KP_X86_CONSOLE_BEGIN) {
                output->is_program = true;
            } else if (bytes[i] == '\n') {
                log_line_end(output);
                if (log_line)
                    log_line(context, output->line);
            } else if (output->used + 1 < sizeof output->line) {
                output->line[output->used++] = bytes[i];
            }
        } else if (output->is_escaped) {
            const char byte = (char)(bytes[i] ^ KP_X86_CONSOLE_MASK);
            output->is_escaped = false;
            program_write(output, &byte, 1);
        } else if (bytes[i] == KP_X86_CONSOLE_END || bytes[i] == KP_X86_CONSOLE_ESCAPE) {
            program_write(output, bytes + i - plain, plain);
            plain = 0;
            output->is_program = bytes[i] == KP_X86_CONSOLE_ESCAPE;
            output->is_escaped = output->is_program;
        } else {
            plain++;
        }
    }
    program_write(output, bytes + count - plain, plain);
}

void kp_user_output_end(kp_user_output_t *output)
{
    if (output->used > 0)
        log_line_end(output);
}
