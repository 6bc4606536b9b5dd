#include "kernel/init/program.h"

#include "kernel/init/boot.h"
#include "kernel/init/command_line.h"
#include "kernel/init/directories.h"
#include "kernel/init/files.h"
#include "kernel/ipc/services.h"
#include "kernel/kernel.h"

#define ARGUMENTS_MAX 16384u /* of a startup message */
/* For the last of its output to leave the console: a reader may be slow. */
#define FLUSH_TIMEOUT (600 * KP_NS_PER_S)

static const char *command_line;

/* Adds the NUL-terminated strings of program/arguments. */
static kp_status_t arguments_add(kp_startup_t *startup)
{
    kp_vmo_t *vmo;
    uint64_t size;
    kp_status_t status = kp_files_vmo("program/arguments", &vmo, &size);
    if (status != KP_OK)
        return status;
    char *text = size <= ARGUMENTS_MAX ? kp_kalloc((size_t)size + 1) : NULL;
    status = size > ARGUMENTS_MAX ? KP_ERR_TOO_LARGE : text ? KP_OK : KP_ERR_NO_MEMORY;
    if (status == KP_OK)
        status = kp_vmo_read(vmo, 0, text, (size_t)size);
    for (size_t at = 0; status == KP_OK && at < size; at += strlen(text + at) + 1)
        kp_startup_argument(startup, text + at);
    kp_kfree(text);
    kp_vmo_release(vmo);
    return status;
}

/* The one without the log, where there is one. */
static kp_device_t *console_find(void)
{
    kp_device_t *console = kp_device_find("console1");
    return console ? console : kp_device_find("console0");
}

/* Without console: its words go to the log. The word stdin=console: it also reads there. */
static void console_grant(kp_startup_t *startup)
{
    static const char *const names[] = {"stdout", "stderr"};
    kp_device_t *console = console_find();
    if (console && kp_command_line_is(command_line, "stdin", "console"))
        kp_startup_grant(startup, "stdin",
                         kp_capability_create(kp_device_object(console),
                                              KP_RIGHT_READ | KP_RIGHT_WAIT | KP_RIGHT_INSPECT));
    for (size_t i = 0; console && i < KP_ARRAY_COUNT(names); i++)
        kp_startup_grant(startup, names[i],
                         kp_capability_create(kp_device_object(console),
                                              KP_RIGHT_WRITE | KP_RIGHT_WAIT | KP_RIGHT_INSPECT |
                                                  KP_RIGHT_DUPLICATE));
}

static uint32_t memory_limit(void)
{
    char text[16];
    uint32_t mebibytes = 0;
    (void)kp_command_line_get(command_line, "program-memory", text, sizeof(text));
    for (const char *at = text; *at >= '0' && *at <= '9' && mebibytes < 1u << 20; at++)
        mebibytes = mebibytes * 10 + (uint32_t)(*at - '0');
    return mebibytes ? mebibytes : 1024;
}

static kp_status_t launch(const kp_program_t *program, kp_process_t **out)
{
    const kp_image_t *image, *compiler;
    kp_job_t *job;
    kp_status_t status = kp_files_image(program->name, &image);
    if (status != KP_OK)
        return status;
    status = kp_boot_job(memory_limit(), KP_BAND_FOREGROUND, &job);
    if (status != KP_OK)
        return status;
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, program->name);
    status = arguments_add(&startup);
    console_grant(&startup);
    if (!kp_command_line_is(command_line, "compiler", "off") &&
        kp_files_image("compiler", &compiler) == KP_OK)
        kp_boot_grant_service(&startup, "compiler", KP_RIGHT_CONNECT);
    kp_files_grant(&startup, "program/");
    kp_directories_grant(&startup, job->quota);
    if (status == KP_OK)
        status = kp_startup_launch(&startup, program->name, image, job, NULL, out);
    else
        kp_startup_clear(&startup);
    kp_object_release(&job->object);
    return status;
}

static int ended(const kp_process_info_t *info)
{
    int code = KP_PROGRAM_ENDED + (int)info->exit_reason;
    if (info->exit_reason == KP_EXIT_NORMAL)
        code = info->exit_code & 255;
    else if (info->exit_reason == KP_EXIT_TRAP)
        code = KP_PROGRAM_TRAPPED + info->exit_code;
    kp_device_t *console = console_find();
    if (console && console->ops->flush)
        console->ops->flush(console, kp_machine_now() + FLUSH_TIMEOUT);
    kp_log("boot", KP_LOG_INFO, "program ended with %d", code);
    return code;
}

bool kp_boot_program(const char *line, kp_program_t *program)
{
    command_line = line;
    if (!kp_command_line_is(line, "program", "run"))
        return false;
    *program = (kp_program_t){.name = KP_BOOT_PROGRAM, .launch = launch, .ended = ended};
    return true;
}
