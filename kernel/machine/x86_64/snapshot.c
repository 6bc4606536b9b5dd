/* Snapshots: the tables of a frozen process, which its clones share. A clone begins with one page, its top
   table; whatever it writes into, table or page, is copied first (space.c). The snapshot itself never
   changes, and stays while a clone lives, so nothing in it is counted. */
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/space.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/machine/x86_64/vmo.h"
#include "kernel/object/mapping.h"

enum { ROOT_USER_ENTRIES = 256 };

static kp_x86_mapping_t *mapping_of(kp_list_t *item)
{
    return KP_CONTAINER_OF(item, kp_x86_mapping_t, link);
}

static void mappings_free(kp_list_t *mappings)
{
    while (!kp_list_is_empty(mappings)) {
        kp_x86_mapping_t *mapping = mapping_of(mappings->next);
        kp_list_remove(&mapping->link);
        kp_kfree(mapping);
    }
}

kp_status_t kp_machine_space_freeze(kp_machine_space_t *space, kp_machine_snapshot_t *snapshot)
{
    /* The frame that entry.S made of the call is at the stack's top. */
    const kp_x86_frame_t *frame = (const kp_x86_frame_t *)kp_x86_current()->stack_top - 1;
    *snapshot = (kp_machine_snapshot_t){
        .root = space->root,
        .base = space->base,
        .memory_bytes = space->memory_bytes,
        .private_pages = space->private_pages,
        .shared_pages = space->shared_pages,
        .table_pages = space->table_pages,
        .rbx = frame->rbx,
        .rbp = frame->rbp,
        .r12 = frame->r12,
        .r13 = frame->r13,
        .r14 = frame->r14,
        .r15 = frame->r15,
        .rip = frame->rip,
        .rsp = frame->rsp,
        .flags = (frame->flags & KP_X86_FLAGS_USER) | KP_X86_FLAGS_USER_SET,
    };
    __asm__ volatile("stmxcsr %0" : "=m"(snapshot->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(snapshot->x87_control));
    space->is_frozen = true;
    return KP_OK;
}

void kp_machine_snapshot_destroy(kp_machine_snapshot_t *snapshot)
{
    if (!snapshot->root)
        return;
    kp_machine_space_t space = {.root = snapshot->root,
                                .private_pages = snapshot->private_pages,
                                .shared_pages = snapshot->shared_pages};
    kp_x86_space_tables_destroy(&space);
    snapshot->root = 0;
}

kp_status_t kp_machine_space_clone(kp_machine_space_t *space, kp_machine_snapshot_t *snapshot,
                                   const kp_image_t *image, const kp_mapping_t *mappings)
{
    memset(space, 0, sizeof(*space));
    kp_list_init(&space->mappings);
    for (; mappings; mappings = mappings->next) {
        kp_x86_mapping_t *mapping = kp_kalloc(sizeof(*mapping));
        if (!mapping) {
            mappings_free(&space->mappings);
            return KP_ERR_NO_MEMORY;
        }
        *mapping = (kp_x86_mapping_t){
            .space = space,
            .vmo = mappings->vmo,
            .start = mappings->address,
            .end = mappings->address + mappings->length,
            .offset = mappings->offset,
        };
        kp_list_init(&mapping->vmo_link); /* the VMO never changes: it need not find us */
        kp_list_append(&space->mappings, &mapping->link);
    }
    space->root = kp_x86_space_root_create();
    if (!space->root) {
        mappings_free(&space->mappings);
        return KP_ERR_NO_MEMORY;
    }
    uint64_t *root = kp_x86_direct(space->root);
    const uint64_t *old = kp_x86_direct(snapshot->root);
    for (unsigned i = 0; i < ROOT_USER_ENTRIES; i++)
        root[i] = old[i] & ~(KP_X86_PTE_OWNED | KP_X86_PTE_WRITE);
    space->image = image;
    space->base = snapshot->base;
    space->memory_bytes = space->grown_from = snapshot->memory_bytes;
    space->shared_pages = snapshot->private_pages + snapshot->shared_pages;
    space->table_pages = 1;
    space->snapshot = snapshot;
    return KP_OK;
}

void kp_machine_snapshot_usage(kp_machine_snapshot_t *snapshot, uint64_t *private_bytes,
                               uint64_t *shared_bytes)
{
    *private_bytes = (snapshot->private_pages + snapshot->table_pages) * KP_PAGE_SIZE;
    *shared_bytes = snapshot->shared_pages * KP_PAGE_SIZE;
}

/* A further thread, at the image's entry. */
static _Noreturn void begin_further(const kp_machine_thread_t *thread)
{
    kp_machine_space_t *space = thread->space;
    kp_spin_lock(&space->lock);
    uint64_t pages = space->memory_bytes / KP_WASM_PAGE_SIZE;
    kp_spin_unlock(&space->lock);
    const kp_x86_frame_t frame = {
        .rdi = KP_X86_USER_MEMORY,
        .rsi = pages,
        .rcx = 1,
        .r8 = thread->words[0],
        .r9 = thread->words[1],
        .rip = space->base + space->image->entry,
        .cs = KP_X86_USER_CODE,
        .flags = KP_X86_FLAGS_USER_SET,
        .rsp = KP_X86_USER_STACK_TOP - thread->stack_slot * KP_X86_USER_STACK_STRIDE,
        .ss = KP_X86_USER_DATA,
    };
    kp_x86_user_resume(&frame);
}

void kp_x86_user_begin(const kp_machine_thread_t *thread)
{
    kp_machine_space_t *space = thread->space;
    const kp_machine_snapshot_t *snapshot = space->snapshot;
    if (thread->stack_slot)
        begin_further(thread);
    if (!snapshot)
        kp_x86_user_enter(space->base + space->image->entry, KP_X86_USER_STACK_TOP,
                          KP_X86_USER_MEMORY, space->memory_bytes / KP_WASM_PAGE_SIZE);
    /* This thread owns the registers since it was switched to. */
    __asm__ volatile("ldmxcsr %0" : : "m"(snapshot->mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(snapshot->x87_control));
    const kp_x86_frame_t frame = {
        .rbx = snapshot->rbx,
        .rbp = snapshot->rbp,
        .r12 = snapshot->r12,
        .r13 = snapshot->r13,
        .r14 = snapshot->r14,
        .r15 = snapshot->r15,
        .rax = KP_OK, /* what process_freeze returns */
        .rip = snapshot->rip,
        .cs = KP_X86_USER_CODE,
        .flags = snapshot->flags,
        .rsp = snapshot->rsp,
        .ss = KP_X86_USER_DATA,
    };
    kp_x86_user_resume(&frame);
}
