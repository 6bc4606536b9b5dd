#include "kernel/object/code.h"

#define TABLE_SPAN ((uint64_t)2 << 20) /* what one page table maps */

struct kp_code_mapping {
    kp_code_mapping_t *next;
    uint64_t address;
    kp_code_t *code; /* referenced, and counted in its mappings */
    uint64_t tables; /* pages that were charged */
};

static void code_destroy(kp_object_t *object)
{
    kp_code_t *code = kp_code_from_object(object);
    KP_CHECK(atomic_load(&code->mappings) == 0);
    kp_vmo_release(code->vmo);
    kp_object_fini(object);
    kp_kfree(code);
}

static const kp_object_ops_t code_ops = {.destroy = code_destroy};

/* One reference, and neither image nor VMO. */
static kp_code_t *code_alloc(void)
{
    kp_code_t *code = kp_kalloc(sizeof(*code));
    if (code)
        kp_object_init(&code->object, KP_TYPE_CODE, &code_ops);
    return code;
}

kp_status_t kp_code_create(const kp_image_t *image, kp_capability_t *out)
{
    kp_code_t *code = code_alloc();
    if (!code)
        return KP_ERR_NO_MEMORY;
    code->image = image;
    *out = kp_capability_create(&code->object, kp_object_default_rights(KP_TYPE_CODE));
    kp_object_release(&code->object);
    return KP_OK;
}

kp_status_t kp_code_make(kp_vmo_t *vmo, kp_quota_t *quota, kp_capability_t *out)
{
    if (vmo->is_static)
        return KP_ERR_BAD_STATE;
    if (vmo->size > KP_CODE_SIZE_MAX)
        return KP_ERR_TOO_LARGE;
    kp_code_t *code = code_alloc();
    if (!code)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_object_charge(&code->object, quota);
    if (status == KP_OK)
        status = kp_vmo_seal(vmo, KP_VMO_SEAL_WRITE | KP_VMO_SEAL_RESIZE);
    /* The size that it has now is its last; it may have grown just before. */
    if (status == KP_OK && vmo->size > KP_CODE_SIZE_MAX)
        status = KP_ERR_TOO_LARGE;
    if (status == KP_OK) {
        code->vmo = kp_vmo_acquire(vmo);
        code->size = vmo->size;
        *out = kp_capability_create(&code->object,
                                    kp_object_default_rights(KP_TYPE_CODE) | KP_RIGHT_MAP);
    }
    kp_object_release(&code->object);
    return status;
}

void kp_code_info(const kp_code_t *code, kp_code_info_t *out)
{
    *out = (kp_code_info_t){
        .size = code->image ? KP_ROUND_UP(code->image->size, (uint64_t)KP_PAGE_SIZE) : code->size,
        .kind = code->vmo ? KP_CODE_MADE : KP_CODE_PROGRAM,
        .handles = atomic_load(&code->object.capabilities),
        .mappings = atomic_load(&code->mappings),
    };
}

/* ---- the authority ---- */

static void authority_destroy(kp_object_t *object)
{
    (void)object;
    kp_panic("the code authority was destroyed"); /* the first reference never goes */
}

static const kp_object_ops_t authority_ops = {.destroy = authority_destroy};

static kp_object_t authority;

void kp_code_authority_init(void)
{
    if (!authority.ops)
        kp_object_init(&authority, KP_TYPE_CODE_AUTHORITY, &authority_ops);
}

kp_object_t *kp_code_authority(void)
{
    return &authority;
}

/* ---- mappings ---- */

/* The process has one more mapping, which is not in the list yet. */
static kp_status_t mapping_charge(kp_process_t *process, uint64_t tables)
{
    kp_spin_lock(process->object.lock);
    bool may = process->code_mapping_count < KP_CODE_MAPPINGS_MAX;
    process->code_mapping_count += may;
    kp_spin_unlock(process->object.lock);
    if (!may)
        return KP_ERR_QUOTA;
    kp_status_t status = kp_quota_charge(process->quota, KP_QUOTA_OBJECTS, 1);
    if (status == KP_OK) {
        status = kp_quota_charge(process->quota, KP_QUOTA_PAGES, tables);
        if (status == KP_OK)
            return KP_OK;
        kp_quota_refund(process->quota, KP_QUOTA_OBJECTS, 1);
    }
    kp_spin_lock(process->object.lock);
    process->code_mapping_count--;
    kp_spin_unlock(process->object.lock);
    return status;
}

static void mapping_refund(kp_process_t *process, uint64_t tables)
{
    kp_quota_refund(process->quota, KP_QUOTA_PAGES, tables);
    kp_quota_refund(process->quota, KP_QUOTA_OBJECTS, 1);
    kp_spin_lock(process->object.lock);
    process->code_mapping_count--;
    kp_spin_unlock(process->object.lock);
}

static void mapping_free(kp_process_t *process, kp_code_mapping_t *mapping)
{
    atomic_fetch_sub(&mapping->code->mappings, 1);
    kp_object_release(&mapping->code->object);
    mapping_refund(process, mapping->tables);
    kp_kfree(mapping);
}

kp_status_t kp_code_map(kp_process_t *process, kp_code_t *code, uint64_t *address)
{
    if (!code->vmo)
        return KP_ERR_WRONG_TYPE;
    uint64_t tables = code->size / TABLE_SPAN + 2; /* it may begin anywhere in its first one */
    kp_status_t status = mapping_charge(process, tables);
    if (status != KP_OK)
        return status;
    kp_code_mapping_t *mapping = kp_kalloc(sizeof(*mapping));
    status = mapping ? kp_machine_space_map_code(&process->space, code->vmo, code->size,
                                                 &mapping->address)
                     : KP_ERR_NO_MEMORY;
    if (status != KP_OK) {
        kp_kfree(mapping);
        mapping_refund(process, tables);
        return status;
    }
    kp_object_acquire(&code->object);
    atomic_fetch_add(&code->mappings, 1);
    mapping->code = code;
    mapping->tables = tables;
    *address = mapping->address;
    kp_spin_lock(process->object.lock);
    mapping->next = process->code_mappings;
    process->code_mappings = mapping;
    kp_spin_unlock(process->object.lock);
    return KP_OK;
}

kp_status_t kp_code_unmap(kp_process_t *process, uint64_t address)
{
    kp_spin_lock(process->object.lock);
    kp_code_mapping_t **link = &process->code_mappings;
    while (*link && (*link)->address != address)
        link = &(*link)->next;
    kp_code_mapping_t *mapping = *link;
    if (mapping)
        *link = mapping->next; /* nobody else finds it now */
    kp_spin_unlock(process->object.lock);
    if (!mapping)
        return KP_ERR_NOT_FOUND;
    kp_status_t status = kp_machine_space_unmap_code(&process->space, address, mapping->code->size);
    if (status == KP_OK) {
        mapping_free(process, mapping);
        return KP_OK;
    }
    kp_spin_lock(process->object.lock);
    mapping->next = process->code_mappings;
    process->code_mappings = mapping;
    kp_spin_unlock(process->object.lock);
    return status;
}

void kp_code_mappings_clear(kp_process_t *process)
{
    for (kp_code_mapping_t *mapping = process->code_mappings, *next; mapping; mapping = next) {
        next = mapping->next;
        mapping_free(process, mapping);
    }
    process->code_mappings = NULL;
}
