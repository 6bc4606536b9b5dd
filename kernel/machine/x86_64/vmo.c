/* VMO pages: two levels of page pointers, made as pages are committed. */
#include "kernel/machine/x86_64/memory.h"

#include "kernel/machine/machine.h"

enum { CHUNK_PAGES = 512 };
#define CHUNK_BYTES ((uint64_t)CHUNK_PAGES * KP_PAGE_SIZE)

kp_status_t kp_machine_vmo_init(kp_machine_vmo_t *vmo, uint64_t size)
{
    memset(vmo, 0, sizeof(*vmo));
    vmo->size = size;
    vmo->chunk_count = size / CHUNK_BYTES + (size % CHUNK_BYTES != 0);
    if (vmo->chunk_count > SIZE_MAX / sizeof(*vmo->chunks))
        return KP_ERR_NO_MEMORY;
    vmo->chunks = kp_kalloc(vmo->chunk_count * sizeof(*vmo->chunks));
    return vmo->chunks ? KP_OK : KP_ERR_NO_MEMORY;
}

kp_status_t kp_machine_vmo_init_static(kp_machine_vmo_t *vmo, const void *bytes, uint64_t size)
{
    if ((uint64_t)bytes % KP_PAGE_SIZE)
        return KP_ERR_INVALID_ARGUMENT;
    memset(vmo, 0, sizeof(*vmo));
    vmo->size = size;
    vmo->fixed = bytes;
    return KP_OK;
}

void kp_machine_vmo_destroy(kp_machine_vmo_t *vmo)
{
    for (uint64_t i = 0; vmo->chunks && i < vmo->chunk_count; i++) {
        if (!vmo->chunks[i])
            continue;
        for (unsigned k = 0; k < CHUNK_PAGES; k++)
            kp_x86_page_free(vmo->chunks[i][k]);
        kp_x86_page_free(vmo->chunks[i]);
    }
    kp_kfree(vmo->chunks);
    memset(vmo, 0, sizeof(*vmo));
}

/* The page at a page-aligned offset, or NULL when it was never committed. lock is held. */
static void *page_find(const kp_machine_vmo_t *vmo, uint64_t offset)
{
    if (vmo->fixed)
        return (void *)(vmo->fixed + offset);
    void **chunk = vmo->chunks[offset / CHUNK_BYTES];
    return chunk ? chunk[offset / KP_PAGE_SIZE % CHUNK_PAGES] : NULL;
}

static void *page_commit(kp_machine_vmo_t *vmo, uint64_t offset)
{
    void *page = page_find(vmo, offset);
    if (page)
        return page;
    void ***chunk = &vmo->chunks[offset / CHUNK_BYTES];
    if (!*chunk)
        *chunk = kp_x86_page_allocate_zeroed();
    if (!*chunk)
        return NULL;
    page = kp_x86_page_allocate_zeroed();
    if (!page)
        return NULL;
    (*chunk)[offset / KP_PAGE_SIZE % CHUNK_PAGES] = page;
    vmo->committed += KP_PAGE_SIZE;
    return page;
}

void *kp_machine_vmo_page(kp_machine_vmo_t *vmo, uint64_t offset)
{
    if (offset >= vmo->size || offset % KP_PAGE_SIZE)
        return NULL;
    kp_spin_lock(&vmo->lock);
    void *page = page_commit(vmo, offset);
    kp_spin_unlock(&vmo->lock);
    return page;
}

static bool in_range(const kp_machine_vmo_t *vmo, uint64_t offset, size_t count)
{
    return offset <= vmo->size && count <= vmo->size - offset;
}

kp_status_t kp_machine_vmo_read(kp_machine_vmo_t *vmo, uint64_t offset, void *to, size_t count)
{
    if (!in_range(vmo, offset, count))
        return KP_ERR_OUT_OF_RANGE;
    for (char *out = to; count > 0;) {
        size_t within = offset % KP_PAGE_SIZE;
        size_t part = KP_MIN(count, KP_PAGE_SIZE - within);
        kp_spin_lock(&vmo->lock);
        const char *page = page_find(vmo, offset - within);
        kp_spin_unlock(&vmo->lock); /* pages stay until the VMO is destroyed */
        if (page)
            memcpy(out, page + within, part);
        else
            memset(out, 0, part);
        out += part;
        offset += part;
        count -= part;
    }
    return KP_OK;
}

kp_status_t kp_machine_vmo_write(kp_machine_vmo_t *vmo, uint64_t offset, const void *from,
                                 size_t count)
{
    if (!in_range(vmo, offset, count))
        return KP_ERR_OUT_OF_RANGE;
    if (vmo->fixed)
        return KP_ERR_ACCESS_DENIED;
    for (const char *in = from; count > 0;) {
        size_t within = offset % KP_PAGE_SIZE;
        size_t part = KP_MIN(count, KP_PAGE_SIZE - within);
        char *page = kp_machine_vmo_page(vmo, offset - within);
        if (!page)
            return KP_ERR_NO_MEMORY;
        memcpy(page + within, in, part);
        in += part;
        offset += part;
        count -= part;
    }
    return KP_OK;
}

uint64_t kp_machine_vmo_committed(const kp_machine_vmo_t *vmo)
{
    return vmo->committed;
}
