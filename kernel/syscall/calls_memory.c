/* VMOs and linear memory. */
#include "kernel/object/mapping.h"
#include "kernel/syscall/call.h"

#define BOUNCE_SIZE ((size_t)65536)

int64_t kp_call_vmo_create(kp_call_t *call)
{
    kp_vmo_t *vmo;
    kp_status_t status = kp_vmo_create(call->arguments[0], call->process->quota, &vmo);
    if (status != KP_OK)
        return status;
    int64_t result = kp_call_result_object(
        call, kp_capability_create(&vmo->object, kp_object_default_rights(KP_TYPE_VMO)));
    kp_vmo_release(vmo);
    return result;
}

int64_t kp_call_vmo_size(kp_call_t *call)
{
    return (int64_t)kp_vmo_size(kp_vmo_from_object(call->object));
}

/* Checks of vmo_read and vmo_write: the VMO's range, then the caller's. */
static kp_status_t transfer_check(kp_call_t *call, const kp_vmo_t *vmo)
{
    uint64_t offset = call->arguments[1], count = call->arguments[3], size = vmo->size;
    if (offset > size || count > size - offset)
        return KP_ERR_OUT_OF_RANGE;
    return kp_user_check(call->process, call->arguments[2], count);
}

int64_t kp_call_vmo_read(kp_call_t *call)
{
    kp_vmo_t *vmo = kp_vmo_from_object(call->object);
    uint64_t offset = call->arguments[1], address = call->arguments[2], count = call->arguments[3];
    kp_status_t status = transfer_check(call, vmo);
    if (status != KP_OK || count == 0)
        return status;
    /* Through a buffer: reading must not commit pages that were never written. */
    size_t size = (size_t)KP_MIN(count, (uint64_t)BOUNCE_SIZE);
    void *bounce = kp_kalloc(size);
    if (!bounce)
        return KP_ERR_NO_MEMORY;
    while (status == KP_OK && count > 0) {
        size_t part = (size_t)KP_MIN(count, (uint64_t)size);
        status = kp_vmo_read(vmo, offset, bounce, part);
        if (status == KP_OK)
            status = kp_user_write(call->process, address, bounce, part);
        offset += part;
        address += part;
        count -= part;
    }
    kp_kfree(bounce);
    return status;
}

int64_t kp_call_vmo_write(kp_call_t *call)
{
    kp_vmo_t *vmo = kp_vmo_from_object(call->object);
    uint64_t offset = call->arguments[1], address = call->arguments[2], count = call->arguments[3];
    kp_status_t status = kp_vmo_write_begin(vmo);
    if (status != KP_OK)
        return status;
    status = transfer_check(call, vmo);
    size_t size = (size_t)KP_MIN(count, (uint64_t)BOUNCE_SIZE);
    void *bounce = status == KP_OK && count > 0 ? kp_kalloc(size) : NULL;
    if (status == KP_OK && count > 0 && !bounce)
        status = KP_ERR_NO_MEMORY;
    while (status == KP_OK && count > 0) {
        size_t part = (size_t)KP_MIN(count, (uint64_t)size);
        status = kp_user_read(call->process, bounce, address, part);
        if (status == KP_OK)
            status = kp_machine_vmo_write(&vmo->machine, offset, bounce, part);
        offset += part;
        address += part;
        count -= part;
    }
    kp_kfree(bounce);
    kp_vmo_write_end(vmo);
    return status;
}

int64_t kp_call_vmo_clone(kp_call_t *call)
{
    kp_vmo_t *clone;
    kp_status_t status = kp_vmo_clone(kp_vmo_from_object(call->object), call->arguments[1],
                                      call->arguments[2], call->process->quota, &clone);
    if (status != KP_OK)
        return status;
    int64_t result = kp_call_result_object(
        call, kp_capability_create(&clone->object, kp_object_default_rights(KP_TYPE_VMO)));
    kp_vmo_release(clone);
    return result;
}

int64_t kp_call_vmo_resize(kp_call_t *call)
{
    return kp_vmo_resize(kp_vmo_from_object(call->object), call->arguments[1]);
}

int64_t kp_call_vmo_seal(kp_call_t *call)
{
    if (call->arguments[1] > UINT32_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    return kp_vmo_seal(kp_vmo_from_object(call->object), (uint32_t)call->arguments[1]);
}

int64_t kp_call_vmo_decommit(kp_call_t *call)
{
    return kp_vmo_decommit(kp_vmo_from_object(call->object), call->arguments[1],
                           call->arguments[2]);
}

int64_t kp_call_vmo_info(kp_call_t *call)
{
    kp_vmo_info_t info;
    kp_status_t status = kp_user_check(call->process, call->arguments[1], sizeof(info));
    if (status != KP_OK)
        return status;
    kp_vmo_info(kp_vmo_from_object(call->object), &info);
    return kp_user_write(call->process, call->arguments[1], &info, sizeof(info));
}

/* A page range in the caller's linear memory. */
static kp_status_t range_check(kp_call_t *call, uint64_t address, uint64_t length)
{
    if (address % KP_PAGE_SIZE || length % KP_PAGE_SIZE || length == 0 || length > UINT32_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    return kp_user_check(call->process, address, length);
}

int64_t kp_call_vmo_map(kp_call_t *call)
{
    kp_vmo_t *vmo = kp_vmo_from_object(call->object);
    uint64_t offset = call->arguments[1], address = call->arguments[2];
    uint64_t length = call->arguments[3], flags = call->arguments[4];
    if (flags & ~(uint64_t)KP_VMO_MAP_WRITE || offset % KP_PAGE_SIZE)
        return KP_ERR_INVALID_ARGUMENT;
    kp_rights_t need = KP_RIGHT_READ;
    if (flags & KP_VMO_MAP_WRITE)
        need |= KP_RIGHT_WRITE;
    if ((call->rights & need) != need)
        return KP_ERR_ACCESS_DENIED;
    kp_status_t status = range_check(call, address, length);
    if (status != KP_OK)
        return status;
    status = kp_turn_take(&call->process->turn);
    if (status != KP_OK)
        return status;
    status = kp_mapping_map(call->process, (uint32_t)address, vmo, offset, (uint32_t)length,
                            flags & KP_VMO_MAP_WRITE);
    kp_turn_give(&call->process->turn);
    return status;
}

int64_t kp_call_vmo_unmap(kp_call_t *call)
{
    uint64_t address = call->arguments[0], length = call->arguments[1];
    kp_status_t status = range_check(call, address, length);
    if (status != KP_OK)
        return status;
    status = kp_turn_take(&call->process->turn);
    if (status != KP_OK)
        return status;
    status = kp_mapping_unmap(call->process, (uint32_t)address, (uint32_t)length);
    kp_turn_give(&call->process->turn);
    return status;
}

/* It is the process's turn. */
static int64_t grow(kp_process_t *process, uint64_t delta)
{
    uint32_t old = atomic_load(&process->memory_pages);
    if (delta > process->memory_maximum - old)
        return KP_ERR_NO_MEMORY;
    uint64_t pages = delta * (KP_WASM_PAGE_SIZE / KP_PAGE_SIZE);
    kp_status_t status = kp_quota_charge(process->quota, KP_QUOTA_PAGES, pages);
    if (status != KP_OK)
        return status;
    status = kp_machine_space_grow(&process->space, old, old + (uint32_t)delta);
    if (status != KP_OK) {
        kp_quota_refund(process->quota, KP_QUOTA_PAGES, pages);
        return status;
    }
    atomic_store_explicit(&process->memory_pages, old + (uint32_t)delta, memory_order_release);
    return old;
}

int64_t kp_call_memory_grow(kp_call_t *call)
{
    kp_process_t *process = call->process;
    if (call->arguments[0] == 0)
        return atomic_load(&process->memory_pages);
    int64_t result = kp_turn_take(&process->turn);
    if (result != KP_OK)
        return result;
    result = grow(process, call->arguments[0]);
    kp_turn_give(&process->turn);
    return result;
}
