#include "kernel/init/startup.h"

#include "kernel/ipc/channel.h"

#define TEXT_MAX ((size_t)16384) /* of arguments, and of names */

void kp_startup_init(kp_startup_t *startup)
{
    memset(startup, 0, sizeof(*startup));
    startup->text_capacity = TEXT_MAX;
    startup->arguments = kp_kalloc(TEXT_MAX);
    startup->names = kp_kalloc(TEXT_MAX);
    if (!startup->arguments || !startup->names)
        startup->status = KP_ERR_NO_MEMORY;
}

void kp_startup_clear(kp_startup_t *startup)
{
    for (uint32_t i = 0; i < startup->capability_count; i++)
        kp_capability_close(&startup->capabilities[i]);
    startup->capability_count = 0;
    kp_kfree(startup->arguments);
    kp_kfree(startup->names);
    startup->arguments = startup->names = NULL;
}

static kp_status_t text_add(char *to, size_t *size, size_t capacity, const char *text)
{
    size_t length = strlen(text) + 1;
    if (length > capacity - *size)
        return KP_ERR_TOO_LARGE;
    memcpy(to + *size, text, length);
    *size += length;
    return KP_OK;
}

void kp_startup_argument(kp_startup_t *startup, const char *text)
{
    if (startup->status == KP_OK)
        startup->status =
            text_add(startup->arguments, &startup->arguments_size, startup->text_capacity, text);
    if (startup->status == KP_OK)
        startup->argument_count++;
}

void kp_startup_grant(kp_startup_t *startup, const char *name, kp_capability_t capability)
{
    if (startup->status == KP_OK && !capability.object)
        startup->status = KP_ERR_NO_MEMORY;
    if (startup->status == KP_OK && startup->capability_count == KP_CHANNEL_HANDLES_MAX)
        startup->status = KP_ERR_TOO_LARGE;
    if (startup->status == KP_OK)
        startup->status =
            text_add(startup->names, &startup->names_size, startup->text_capacity, name);
    if (startup->status == KP_OK)
        startup->capabilities[startup->capability_count++] = capability;
    else
        kp_capability_close(&capability);
}

static kp_status_t startup_send(kp_startup_t *startup, kp_capability_t end)
{
    size_t size = sizeof(kp_startup_header_t) + startup->arguments_size + startup->names_size;
    uint8_t *bytes = kp_kalloc(size);
    if (!bytes)
        return KP_ERR_NO_MEMORY;
    kp_startup_header_t header = {
        .magic = KP_STARTUP_MAGIC,
        .argument_count = startup->argument_count,
        .handle_count = startup->capability_count,
    };
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), startup->arguments, startup->arguments_size);
    memcpy(bytes + sizeof(header) + startup->arguments_size, startup->names, startup->names_size);
    kp_status_t status =
        kp_channel_send(end, bytes, size, startup->capabilities, startup->capability_count);
    kp_kfree(bytes);
    return status;
}

kp_status_t kp_startup_launch(kp_startup_t *startup, const char *name, const kp_image_t *image,
                              kp_job_t *job, void (*ended)(kp_process_t *process),
                              kp_process_t **out)
{
    kp_capability_t ends[2] = {{0}};
    kp_status_t status = startup->status;
    if (status == KP_OK)
        status = kp_channel_create(ends);
    if (status == KP_OK)
        status = startup_send(startup, ends[0]);
    if (status == KP_OK) {
        kp_process_options_t options = {
            .name = name,
            .image = startup->snapshot ? NULL : image,
            .snapshot = startup->snapshot,
            .job = job,
            .startup = ends[1],
            .ended = ended,
        };
        status = kp_process_create(&options, out);
        ends[1] = options.startup;
    }
    /* The creator's end has done its work; the message stays readable. */
    kp_capability_close(&ends[0]);
    kp_capability_close(&ends[1]);
    kp_startup_clear(startup);
    return status;
}
