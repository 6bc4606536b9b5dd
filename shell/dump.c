#include "shell/dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/tab.h"
#include "runtime/program/kp.h"

#define CONSOLE_WAIT (30 * KP_NS_PER_S) /* for a part; a dump of megabytes takes longer */

static const struct {
    const char *name;
    uint32_t format;
} formats[] = {
    {"text", KP_TAB_DUMP_TEXT},
    {"html", KP_TAB_DUMP_HTML},
    {"boxes", KP_TAB_DUMP_BOXES},
};

uint32_t kp_shell_dump_format(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(name, formats[i].name) == 0)
            return formats[i].format;
    }
    return 0;
}

static kp_status_t write_all(kp_handle_t console, const char *bytes, size_t size)
{
    kp_time_t deadline = kp_now() + CONSOLE_WAIT;
    while (size > 0) {
        int64_t written = kp_device_write(console, bytes, size);
        if (written == KP_ERR_SHOULD_WAIT || written == 0) {
            kp_status_t status = kp_object_wait_one(console, KP_SIGNAL_WRITABLE, deadline, NULL);
            if (status != KP_OK)
                return status;
            continue;
        }
        if (written < 0)
            return (kp_status_t)written;
        deadline = kp_now() + CONSOLE_WAIT;
        bytes += written;
        size -= (size_t)written < size ? (size_t)written : size;
    }
    return KP_OK;
}

kp_status_t kp_shell_dump_write(kp_handle_t console, uint32_t format, kp_handle_t vmo,
                                uint32_t size)
{
    const char *name = "unknown";
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (formats[i].format == format)
            name = formats[i].name;
    }
    int64_t vmo_size = kp_vmo_size(vmo);
    if (vmo_size < 0 || size > vmo_size)
        size = vmo_size < 0 ? 0 : (uint32_t)vmo_size;
    if (size > KP_SHELL_DUMP_MAX)
        size = KP_SHELL_DUMP_MAX;
    /* One piece, so that as few log lines as possible can come between. */
    char *text = malloc((size_t)size + 128);
    kp_status_t status = text ? KP_OK : KP_ERR_NO_MEMORY;
    if (status == KP_OK) {
        int head = snprintf(text, 64, "kpio-dump-begin %s %u\n", name, (unsigned)size);
        status = size > 0 ? kp_vmo_read(vmo, 0, text + head, size) : KP_OK;
        static const char end[] = "\nkpio-dump-end\n";
        bool has_newline = size > 0 && text[head + size - 1] == '\n';
        const char *tail = end + has_newline;
        memcpy(text + head + size, tail, strlen(tail));
        if (status == KP_OK)
            status = write_all(console, text, (size_t)head + size + strlen(tail));
    }
    free(text);
    (void)kp_handle_close(vmo);
    return status;
}
