#include "kernel/init/trace.h"

#include "kernel/init/boot.h"
#include "kernel/init/command_line.h"
#include "kernel/machine/machine.h"
#include "kernel/trace/trace.h"

/* Written by kp_boot_trace_start only, before other threads run. */
static char until[KP_BOOT_MARK_MAX + 1];

static uint32_t number_read(const char *text)
{
    uint32_t number = 0;
    for (; *text >= '0' && *text <= '9' && number < 1u << 24; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

void kp_boot_trace_start(const char *command_line)
{
    char word[16];
    if (!kp_command_line_get(command_line, "trace", word, sizeof(word)))
        return;
    (void)kp_command_line_get(command_line, "trace-until", until, sizeof(until));
    uint32_t records = number_read(word);
    kp_status_t status =
        records ? kp_trace_start(kp_machine_cpu_count(), records) : KP_ERR_INVALID_ARGUMENT;
    if (status != KP_OK)
        kp_log("trace", KP_LOG_ERROR, "trace=%s: %s", word, kp_status_text(status));
}

void kp_boot_trace_finish(void)
{
    kp_status_t status = kp_trace_finish(kp_machine_trace_write, NULL);
    if (status != KP_OK && status != KP_ERR_BAD_STATE)
        kp_log("trace", KP_LOG_ERROR, "the recording is lost: %s", kp_status_text(status));
}

bool kp_boot_trace_mark(const char *mark)
{
    kp_trace_mark(mark);
    if (until[0] == 0 || strcmp(until, mark) != 0)
        return false;
    kp_boot_trace_finish();
    return true;
}
