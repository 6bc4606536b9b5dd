/* Devices: kernel buffers between the caller's memory and the driver. */
#include "kernel/object/device.h"
#include "kernel/syscall/call.h"

#define TRANSFER_MAX ((uint64_t)65536)
#define SMALL 1536u /* on the stack: an Ethernet frame */

/* A kernel buffer: the small one on the caller's stack if it is large enough. */
static uint8_t *buffer_get(uint8_t *small, uint64_t count)
{
    return count <= SMALL ? small : kp_kalloc((size_t)count);
}

static void buffer_put(uint8_t *buffer, const uint8_t *small)
{
    if (buffer != small)
        kp_kfree(buffer);
}

int64_t kp_call_device_read(kp_call_t *call)
{
    kp_device_t *device = kp_device_from_object(call->object);
    uint64_t capacity = KP_MIN(call->arguments[2], TRANSFER_MAX);
    kp_status_t status = kp_user_check(call->process, call->arguments[1], call->arguments[2]);
    if (status != KP_OK)
        return status;
    if (capacity == 0)
        return KP_ERR_INVALID_ARGUMENT;
    if (!device->ops->read)
        return KP_ERR_NOT_SUPPORTED;
    uint8_t small[SMALL];
    uint8_t *buffer = buffer_get(small, capacity);
    if (!buffer)
        return KP_ERR_NO_MEMORY;
    int64_t result = device->ops->read(device, buffer, (size_t)capacity);
    KP_CHECK(result <= (int64_t)capacity);
    if (result > 0) {
        status = kp_user_write(call->process, call->arguments[1], buffer, (size_t)result);
        if (status != KP_OK) /* only a read-only mapping or no memory: the record is lost */
            result = status;
    }
    buffer_put(buffer, small);
    return result;
}

int64_t kp_call_device_write(kp_call_t *call)
{
    kp_device_t *device = kp_device_from_object(call->object);
    uint64_t count = KP_MIN(call->arguments[2], TRANSFER_MAX);
    kp_status_t status = kp_user_check(call->process, call->arguments[1], call->arguments[2]);
    if (status != KP_OK)
        return status;
    if (count == 0)
        return KP_ERR_INVALID_ARGUMENT;
    if (!device->ops->write)
        return KP_ERR_NOT_SUPPORTED;
    uint8_t small[SMALL];
    uint8_t *buffer = buffer_get(small, count);
    if (!buffer)
        return KP_ERR_NO_MEMORY;
    int64_t result = kp_user_read(call->process, buffer, call->arguments[1], (size_t)count);
    if (result == KP_OK)
        result = device->ops->write(device, buffer, (size_t)count);
    buffer_put(buffer, small);
    return result;
}

/* GPU_SCANOUT names a VMO by handle: finds it and checks that the picture lies inside. */
static kp_status_t scanout_vmo(kp_call_t *call, const void *in, size_t in_count, kp_vmo_t **out)
{
    kp_gpu_scanout_t scanout;
    if (in_count != sizeof(scanout))
        return KP_ERR_INVALID_ARGUMENT;
    memcpy(&scanout, in, sizeof(scanout));
    kp_object_t *object;
    kp_status_t status = kp_handle_lookup_typed(&call->process->handles, scanout.vmo, KP_TYPE_VMO,
                                                KP_RIGHT_READ | KP_RIGHT_MAP, &object);
    if (status != KP_OK)
        return status;
    kp_vmo_t *vmo = kp_vmo_from_object(object);
    if (scanout.width == 0 || scanout.height == 0 || scanout.stride % 4 ||
        scanout.stride < (uint64_t)scanout.width * 4)
        status = KP_ERR_INVALID_ARGUMENT;
    else if ((uint64_t)scanout.stride * scanout.height > vmo->size)
        status = KP_ERR_OUT_OF_RANGE;
    if (status != KP_OK) {
        kp_vmo_release(vmo);
        return status;
    }
    *out = vmo;
    return KP_OK;
}

int64_t kp_call_device_control(kp_call_t *call)
{
    enum { CONTROL_MAX = 256 };
    kp_device_t *device = kp_device_from_object(call->object);
    uint64_t op = call->arguments[1], in_at = call->arguments[2], in_count = call->arguments[3];
    uint64_t out_at = call->arguments[4], out_capacity = call->arguments[5];
    if (op > UINT32_MAX || in_count > CONTROL_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    uint8_t in[CONTROL_MAX], out[CONTROL_MAX] = {0};
    kp_status_t status = kp_user_read(call->process, in, in_at, (size_t)in_count);
    if (status == KP_OK)
        status = kp_user_check(call->process, out_at, out_capacity);
    if (status != KP_OK)
        return status;
    if (!device->ops->control)
        return KP_ERR_NOT_SUPPORTED;
    kp_vmo_t *vmo = NULL;
    if (op == KP_DEVICE_OP_GPU_SCANOUT && device->kind == KP_DEVICE_GPU) {
        status = scanout_vmo(call, in, (size_t)in_count, &vmo);
        if (status != KP_OK)
            return status;
    }
    size_t capacity = (size_t)KP_MIN(out_capacity, (uint64_t)CONTROL_MAX);
    int64_t result =
        device->ops->control(device, (uint32_t)op, in, (size_t)in_count, out, capacity, vmo);
    if (result < 0) {
        kp_vmo_release(vmo); /* on success it is the driver's */
        return result;
    }
    KP_CHECK((uint64_t)result <= capacity);
    status = kp_user_write(call->process, out_at, out, (size_t)result);
    return status == KP_OK ? result : status;
}
