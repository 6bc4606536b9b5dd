#include "kernel/object/mapping.h"

#include "kernel/object/process_private.h"

/* Takes [address, end) out of the list; *spare is used when one mapping is cut in two. Pieces that
   go are put on *gone: their references are dropped once the machine has unmapped them. */
static void range_remove(kp_process_t *process, uint64_t address, uint64_t end,
                         kp_mapping_t **spare, kp_mapping_t **gone)
{
    kp_mapping_t **link = &process->mappings;
    while (*link && (*link)->address < end) {
        kp_mapping_t *mapping = *link;
        uint64_t mapping_end = mapping->address + mapping->length;
        if (mapping_end <= address) {
            link = &mapping->next;
        } else if (mapping->address < address && mapping_end > end) {
            kp_mapping_t *tail = *spare;
            *spare = NULL;
            KP_CHECK(tail);
            tail->address = end;
            tail->length = mapping_end - end;
            tail->offset = mapping->offset + (end - mapping->address);
            tail->vmo = kp_vmo_acquire(mapping->vmo);
            tail->writable = mapping->writable;
            kp_vmo_mapping_copy(tail->vmo, tail->writable);
            tail->next = mapping->next;
            mapping->length = address - mapping->address;
            mapping->next = tail;
            return;
        } else if (mapping->address < address) {
            mapping->length = address - mapping->address;
            link = &mapping->next;
        } else if (mapping_end > end) {
            mapping->length = mapping_end - end;
            mapping->offset += end - mapping->address;
            mapping->address = end;
            return;
        } else {
            *link = mapping->next;
            mapping->next = *gone;
            *gone = mapping;
        }
    }
}

void kp_mapping_list_free(kp_mapping_t *list)
{
    while (list) {
        kp_mapping_t *next = list->next;
        kp_vmo_mapping_remove(list->vmo, list->writable);
        kp_vmo_release(list->vmo);
        kp_kfree(list);
        list = next;
    }
}

kp_status_t kp_mapping_list_copy(const kp_mapping_t *list, kp_mapping_t **copy)
{
    kp_mapping_t *first = NULL, **link = &first;
    for (; list; list = list->next) {
        kp_mapping_t *mapping = kp_kalloc(sizeof(*mapping));
        if (!mapping) {
            kp_mapping_list_free(first);
            return KP_ERR_NO_MEMORY;
        }
        *mapping = *list;
        mapping->next = NULL;
        kp_vmo_acquire(mapping->vmo);
        kp_vmo_mapping_copy(mapping->vmo, mapping->writable);
        *link = mapping;
        link = &mapping->next;
    }
    *copy = first;
    return KP_OK;
}

static uint32_t mapping_count(const kp_process_t *process)
{
    uint32_t count = 0;
    for (const kp_mapping_t *mapping = process->mappings; mapping; mapping = mapping->next)
        count++;
    return count;
}

kp_status_t kp_mapping_map(kp_process_t *process, uint32_t address, kp_vmo_t *vmo, uint64_t offset,
                           uint32_t length, bool writable)
{
    if (mapping_count(process) >= KP_MAPPINGS_MAX - 1)
        return KP_ERR_QUOTA;
    kp_mapping_t *added = kp_kalloc(sizeof(*added));
    kp_mapping_t *spare = kp_kalloc(sizeof(*spare));
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (added && spare)
        status = kp_vmo_mapping_add(vmo, offset, length, writable);
    if (status == KP_OK) {
        status = kp_machine_space_map(&process->space, address, vmo, offset, length, writable);
        if (status != KP_OK)
            kp_vmo_mapping_remove(vmo, writable);
    }
    if (status != KP_OK) {
        kp_kfree(added);
        kp_kfree(spare);
        return status;
    }
    kp_mapping_t *gone = NULL;
    range_remove(process, address, (uint64_t)address + length, &spare, &gone);
    added->address = address;
    added->length = length;
    added->offset = offset;
    added->vmo = kp_vmo_acquire(vmo);
    added->writable = writable;
    kp_mapping_t **link = &process->mappings;
    while (*link && (*link)->address < address)
        link = &(*link)->next;
    added->next = *link;
    *link = added;
    kp_mapping_list_free(gone);
    kp_kfree(spare);
    return KP_OK;
}

kp_status_t kp_mapping_unmap(kp_process_t *process, uint32_t address, uint32_t length)
{
    kp_mapping_t *spare = kp_kalloc(sizeof(*spare));
    if (!spare)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_machine_space_unmap(&process->space, address, length);
    if (status == KP_OK) {
        kp_mapping_t *gone = NULL;
        range_remove(process, address, (uint64_t)address + length, &spare, &gone);
        kp_mapping_list_free(gone);
    }
    kp_kfree(spare);
    return status;
}

void kp_mapping_clear(kp_process_t *process)
{
    kp_mapping_list_free(process->mappings);
    process->mappings = NULL;
}
