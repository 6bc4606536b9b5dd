#include "tools/kpio/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/kpio/child.h"

/* The next line, without its end, in qmp->line; false: closed or too late. */
static bool line_read(kp_qmp_t *qmp, int64_t deadline)
{
    qmp->used = 0;
    for (;;) {
        int64_t left = deadline - kp_child_now();
        struct pollfd wait = {.fd = qmp->socket, .events = POLLIN};
        char byte;
        if (left <= 0 || (poll(&wait, 1, (int)left) <= 0 && errno != EINTR))
            return false;
        if (!(wait.revents & (POLLIN | POLLHUP)))
            continue;
        ssize_t count = read(qmp->socket, &byte, 1);
        if (count < 0 && errno == EINTR)
            continue;
        if (count != 1)
            return false;
        if (byte == '\n') {
            qmp->line[qmp->used] = '\0';
            return true;
        }
        if (qmp->used + 1 < sizeof qmp->line)
            qmp->line[qmp->used++] = byte;
    }
}

bool kp_qmp_quote(const char *text, char *to, size_t size)
{
    size_t used = 0;
    if (size < 3)
        return false;
    to[used++] = '"';
    for (; *text; text++) {
        if (used + 8 > size)
            return false;
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            to[used++] = '\\';
        if (byte < 0x20)
            used += (size_t)snprintf(to + used, size - used, "\\u%04x", byte);
        else
            to[used++] = *text;
    }
    to[used++] = '"';
    to[used] = '\0';
    return true;
}

bool kp_qmp_execute(kp_qmp_t *qmp, const char *command, const char *arguments, int64_t deadline,
                    char *error, size_t error_size)
{
    char request[8192];
    int size = snprintf(request, sizeof request, "{\"execute\": \"%s\"%s%s}\n", command,
                        arguments ? ", \"arguments\": " : "", arguments ? arguments : "");
    snprintf(error, error_size, "QEMU does not answer");
    if (size < 0 || (size_t)size >= sizeof request ||
        write(qmp->socket, request, (size_t)size) != size)
        return false;
    while (line_read(qmp, deadline)) {
        if (strncmp(qmp->line, "{\"return\"", 9) == 0)
            return true;
        if (strncmp(qmp->line, "{\"error\"", 8) != 0)
            continue; /* an event */
        const char *description = strstr(qmp->line, "\"desc\": \"");
        snprintf(error, error_size, "%s", description ? description + 9 : qmp->line);
        error[strcspn(error, "\"}")] = '\0';
        return false;
    }
    return false;
}

bool kp_qmp_start(kp_qmp_t *qmp, int socket, int64_t deadline)
{
    char error[256];
    qmp->socket = socket;
    if (!line_read(qmp, deadline) || strncmp(qmp->line, "{\"QMP\"", 6) != 0)
        return false;
    return kp_qmp_execute(qmp, "qmp_capabilities", NULL, deadline, error, sizeof error);
}
