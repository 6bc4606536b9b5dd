/* The devices that a program may expect as files. */
#include "kernel/object/device.h"
#include "kernel/vfs/ramfs.h"

static kp_status_t read_nothing(const void *context, uint64_t offset, void *to, uint32_t count,
                                uint32_t *done)
{
    (void)context, (void)offset, (void)to, (void)count;
    *done = 0;
    return KP_OK;
}

static kp_status_t read_zeroes(const void *context, uint64_t offset, void *to, uint32_t count,
                               uint32_t *done)
{
    (void)context, (void)offset;
    memset(to, 0, count);
    *done = count;
    return KP_OK;
}

static kp_status_t read_random(const void *context, uint64_t offset, void *to, uint32_t count,
                               uint32_t *done)
{
    (void)context, (void)offset;
    *done = count;
    return kp_machine_random(to, count);
}

static kp_status_t write_nothing(const void *context, const void *from, uint32_t count,
                                 uint32_t *done)
{
    (void)context, (void)from;
    *done = count;
    return KP_OK;
}

static kp_status_t write_console(const void *context, const void *from, uint32_t count,
                                 uint32_t *done)
{
    kp_device_t *device = (kp_device_t *)context;
    int64_t written = device->ops->write(device, from, count);
    *done = written > 0 ? (uint32_t)written : 0;
    return written < 0 ? (kp_status_t)written : KP_OK;
}

static const kp_ramfs_special_t null = {KP_FILE_TYPE_DEVICE, read_nothing, write_nothing},
                                zero = {KP_FILE_TYPE_DEVICE, read_zeroes, write_nothing},
                                random = {KP_FILE_TYPE_DEVICE, read_random, NULL},
                                console = {KP_FILE_TYPE_DEVICE, NULL, write_console};

kp_status_t kp_ramfs_devices_create(kp_vfs_source_t **out)
{
    const kp_ramfs_options_t options = {.read_only = true};
    kp_device_t *device = kp_device_find("console0");
    kp_vfs_source_t *ramfs;
    kp_status_t status = kp_ramfs_create(&options, &ramfs);
    if (status != KP_OK)
        return status;
    status = kp_ramfs_add(ramfs, "null", &null, NULL, 0);
    if (status == KP_OK)
        status = kp_ramfs_add(ramfs, "zero", &zero, NULL, 0);
    if (status == KP_OK)
        status = kp_ramfs_add(ramfs, "random", &random, NULL, 0);
    if (status == KP_OK && device && device->ops->write)
        status = kp_ramfs_add(ramfs, "console", &console, device, 0);
    if (status == KP_OK)
        *out = ramfs;
    else
        kp_vfs_source_release(ramfs);
    return status;
}
