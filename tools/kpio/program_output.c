/* A guest's serial line taken apart: the program's bytes and the kernel's log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/kpio/program.h"

static void write_all(int file, const char *bytes, size_t count)
{
    while (file >= 0 && count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        count -= (size_t)written;
    }
}

/* Where the kernel's stamp "[    0.012345] " begins in the line; its end when there is none. */
static const char *stamp_find(const char *line)
{
    for (const char *at = line; (at = strchr(at, '[')) != NULL; at++) {
        size_t spaces = strspn(at + 1, " "), digits = strspn(at + 1 + spaces, "0123456789");
        const char *point = at + 1 + spaces + digits;
        if (spaces + digits >= 5 && digits > 0 && *point == '.' &&
            strspn(point + 1, "0123456789") == 6 && point[7] == ']' && point[8] == ' ')
            return at;
    }
    return line + strlen(line);
}

static void line_end(kp_user_output_t *output, bool newline)
{
    static const char end[] = "program ended with ";
    output->line[output->used] = '\0';
    const char *stamp = stamp_find(output->line);
    size_t own = (size_t)(stamp - output->line);
    if (stamp == output->line + strlen(output->line)) { /* the program's alone, NULs and all */
        if (newline)
            output->line[output->used++] = '\n';
        write_all(STDOUT_FILENO, output->line, output->used);
    } else {
        write_all(STDOUT_FILENO, output->line, own);
        write_all(output->log, stamp, strlen(stamp));
        write_all(output->log, "\n", 1);
        const char *found = strstr(stamp, end);
        if (found && strstr(stamp, "] boot: "))
            output->code = atoi(found + strlen(end));
    }
    output->used = 0;
}

void kp_user_output_add(kp_user_output_t *output, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            line_end(output, true);
            continue;
        }
        /* Room for a newline and the NUL. */
        if (output->used + 2 == sizeof output->line)
            line_end(output, false);
        output->line[output->used++] = bytes[i];
    }
}

void kp_user_output_end(kp_user_output_t *output)
{
    if (output->used > 0)
        line_end(output, false);
}
