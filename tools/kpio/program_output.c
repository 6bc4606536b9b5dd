/* What a guest says: the program's bytes on one line, the kernel's log on another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/kpio/program.h"

/* 0, or errno. */
static int write_all(int file, const char *bytes, size_t count)
{
    while (file >= 0 && count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

bool kp_user_output_add(kp_user_output_t *output, const char *bytes, size_t count)
{
    if (output->error == 0)
        output->error = write_all(STDOUT_FILENO, bytes, count);
    return output->error == 0;
}

/* The text behind the kernel's stamp, "[    0.012345] "; NULL: the line has none. */
static const char *stamped(const char *line)
{
    size_t spaces = line[0] == '[' ? strspn(line + 1, " ") : 0;
    size_t digits = strspn(line + 1 + spaces, "0123456789");
    const char *point = line + 1 + spaces + digits;
    bool is_stamp = line[0] == '[' && digits > 0 && *point == '.' &&
                    strspn(point + 1, "0123456789") == 6 && strncmp(point + 7, "] ", 2) == 0;
    return is_stamp ? point + 9 : NULL;
}

static void log_line_end(kp_user_output_t *output)
{
    static const char end[] = "boot: program ended with ";
    output->line[output->used] = '\0';
    output->used = 0;
    const char *text = stamped(output->line);
    if (text && strncmp(text, end, strlen(end)) == 0)
        output->code = atoi(text + strlen(end));
    if (output->log >= 0) { /* lost when nobody reads it */
        (void)write_all(output->log, output->line, strlen(output->line));
        (void)write_all(output->log, "\n", 1);
    }
}

void kp_user_log_add(kp_user_output_t *output, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            log_line_end(output);
        else if (bytes[i] != '\r' && output->used + 1 < sizeof output->line)
            output->line[output->used++] = bytes[i];
    }
}

void kp_user_log_end(kp_user_output_t *output)
{
    if (output->used > 0)
        log_line_end(output);
}
