/* VMO pages: two levels of page pointers, made as pages are committed, shared by clones until one
   side writes (vmo.h). */
#include "kernel/machine/x86_64/vmo.h"

#include "kernel/machine/x86_64/pages.h"

enum { CHUNK_PAGES = 512 };
#define CHUNK_BYTES ((uint64_t)CHUNK_PAGES * KP_PAGE_SIZE)
/* Stands for a page of zeroes where, without it, the bytes of the VMO's base would show. */
#define ZERO_PAGE ((void *)1)

/* ---- share counts: the books' `next` field, which no page in use needs; 0: one owner ---- */

static _Atomic uint64_t pages_held; /* by all VMOs, for reports */

uint64_t kp_x86_vmo_pages(void)
{
    return atomic_load_explicit(&pages_held, memory_order_relaxed);
}

static uint32_t *shares_of(const void *page)
{
    return &kp_x86_page_info(kp_x86_page_number(page))->next;
}

static void *page_new(bool zeroed)
{
    void *page = zeroed ? kp_x86_page_allocate_zeroed() : kp_x86_page_allocate();
    if (page) {
        __atomic_store_n(shares_of(page), 0, __ATOMIC_RELAXED);
        atomic_fetch_add_explicit(&pages_held, 1, memory_order_relaxed);
    }
    return page;
}

static void page_end(void *page)
{
    atomic_fetch_sub_explicit(&pages_held, 1, memory_order_relaxed);
    kp_x86_page_free(page);
}

static void page_share(const void *page)
{
    __atomic_fetch_add(shares_of(page), 1, __ATOMIC_RELAXED);
}

static bool page_is_shared(const void *page)
{
    return __atomic_load_n(shares_of(page), __ATOMIC_ACQUIRE) != 0;
}

/* True: the caller was the last and frees it. */
static bool page_unshare(const void *page)
{
    return __atomic_fetch_sub(shares_of(page), 1, __ATOMIC_ACQ_REL) == 0;
}

static void page_drop(void *page)
{
    if (page && page != ZERO_PAGE && page_unshare(page))
        page_end(page);
}

static void chunk_drop(void **chunk)
{
    if (!chunk || !page_unshare(chunk))
        return;
    for (unsigned i = 0; i < CHUNK_PAGES; i++)
        page_drop(chunk[i]);
    page_end(chunk);
}

static uint64_t chunks_for(uint64_t size)
{
    return size / CHUNK_BYTES + (size % CHUNK_BYTES != 0);
}

static void chunks_free(void ***chunks, uint64_t count)
{
    for (uint64_t i = 0; chunks && i < count; i++)
        chunk_drop(chunks[i]);
    kp_kfree(chunks);
}

/* ---- making and ending ---- */

kp_status_t kp_machine_vmo_init(kp_machine_vmo_t *vmo, uint64_t size)
{
    memset(vmo, 0, sizeof(*vmo));
    kp_list_init(&vmo->mappings);
    vmo->size = size;
    vmo->chunk_count = chunks_for(size);
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
    kp_list_init(&vmo->mappings);
    vmo->size = vmo->base_size = size;
    vmo->base = bytes;
    return KP_OK;
}

kp_status_t kp_machine_vmo_init_filled(kp_machine_vmo_t *vmo, uint64_t size, kp_vmo_fill_fn fill,
                                       const void *context)
{
    kp_status_t status = kp_machine_vmo_init(vmo, size);
    vmo->fill = fill;
    vmo->fill_context = context;
    vmo->base_size = size;
    vmo->is_filled = true;
    return status;
}

kp_status_t kp_machine_vmo_init_contiguous(kp_machine_vmo_t *vmo, uint64_t size)
{
    kp_status_t status = kp_machine_vmo_init(vmo, size);
    if (status != KP_OK)
        return status;
    uint64_t count = size / KP_PAGE_SIZE;
    for (uint64_t i = 0; i < vmo->chunk_count && status == KP_OK; i++) {
        vmo->chunks[i] = page_new(true);
        status = vmo->chunks[i] ? KP_OK : KP_ERR_NO_MEMORY;
    }
    uint8_t *pages = status == KP_OK ? kp_x86_pages_allocate(count) : NULL;
    if (!pages) {
        kp_machine_vmo_destroy(vmo);
        return KP_ERR_NO_MEMORY;
    }
    memset(pages, 0, size);
    atomic_fetch_add_explicit(&pages_held, count, memory_order_relaxed);
    for (uint64_t i = 0; i < count; i++) {
        void *page = pages + i * KP_PAGE_SIZE;
        __atomic_store_n(shares_of(page), 0, __ATOMIC_RELAXED);
        vmo->chunks[i / CHUNK_PAGES][i % CHUNK_PAGES] = page;
    }
    vmo->committed = count;
    vmo->is_pinned = true;
    return KP_OK;
}

void kp_machine_vmo_destroy(kp_machine_vmo_t *vmo)
{
    chunks_free(vmo->chunks, vmo->chunk_count);
    memset(vmo, 0, sizeof(*vmo));
}

/* ---- finding pages; vmo->lock is held ---- */

static const uint8_t *base_page(const kp_machine_vmo_t *vmo, uint64_t offset)
{
    return vmo->base && offset < vmo->base_size ? vmo->base + offset : NULL;
}

/* Shows something else than zeroes at the offset where there is no page? */
static bool has_base(const kp_machine_vmo_t *vmo, uint64_t offset)
{
    return (vmo->base || vmo->fill) && offset < vmo->base_size;
}

/* The pointer to the page at the offset, which may be NULL or ZERO_PAGE. */
static void *page_slot(const kp_machine_vmo_t *vmo, uint64_t offset)
{
    void **chunk = vmo->chunks ? vmo->chunks[offset / CHUNK_BYTES] : NULL;
    return chunk ? chunk[offset / KP_PAGE_SIZE % CHUNK_PAGES] : NULL;
}

bool kp_x86_vmo_must_fill(const kp_machine_vmo_t *vmo, uint64_t offset)
{
    return vmo->fill && offset < vmo->base_size && !page_slot(vmo, offset);
}

/* What shows at the offset: NULL for zeroes that have no page. *exclusive: it may be written. */
static void *page_find(const kp_machine_vmo_t *vmo, uint64_t offset, bool *exclusive)
{
    void **chunk = vmo->chunks ? vmo->chunks[offset / CHUNK_BYTES] : NULL;
    void *page = chunk ? chunk[offset / KP_PAGE_SIZE % CHUNK_PAGES] : NULL;
    *exclusive = false;
    if (page == ZERO_PAGE)
        return NULL;
    if (!page)
        return (void *)base_page(vmo, offset);
    *exclusive = !page_is_shared(chunk) && !page_is_shared(page);
    return page;
}

/* The chunk, made or parted from other VMOs so that it can be changed; NULL: no memory. */
static void **chunk_own(kp_machine_vmo_t *vmo, uint64_t index)
{
    void **old = vmo->chunks[index];
    if (old && !page_is_shared(old))
        return old;
    void **chunk = page_new(!old);
    if (!chunk)
        return NULL;
    for (unsigned i = 0; old && i < CHUNK_PAGES; i++) {
        chunk[i] = old[i];
        if (old[i] && old[i] != ZERO_PAGE)
            page_share(old[i]);
    }
    vmo->chunks[index] = chunk;
    chunk_drop(old);
    return chunk;
}

static void mappings_clear(const kp_machine_vmo_t *vmo, uint64_t start, uint64_t end, bool protect)
{
    for (kp_list_t *item = vmo->mappings.next; item != &vmo->mappings; item = item->next)
        kp_x86_mapping_clear(KP_CONTAINER_OF(item, kp_x86_mapping_t, vmo_link), start, end,
                             protect);
}

kp_status_t kp_x86_vmo_page(kp_machine_vmo_t *vmo, uint64_t offset, bool write, bool only_present,
                            void **out, bool *exclusive)
{
    if (offset >= vmo->size)
        return KP_ERR_OUT_OF_RANGE;
    if (write && !vmo->chunks)
        return KP_ERR_ACCESS_DENIED;
    void *page = page_find(vmo, offset, exclusive);
    *out = page;
    bool must_fill = kp_x86_vmo_must_fill(vmo, offset);
    if (*exclusive || (!write && !must_fill && (page || only_present)))
        return KP_OK;
    void **chunk = chunk_own(vmo, offset / CHUNK_BYTES);
    void *fresh = chunk ? page_new(!page && !must_fill) : NULL;
    if (!fresh)
        return KP_ERR_NO_MEMORY;
    void **slot = &chunk[offset / KP_PAGE_SIZE % CHUNK_PAGES];
    void *old = *slot;
    if (page) {
        memcpy(fresh, page, KP_PAGE_SIZE);
        mappings_clear(vmo, offset, offset + KP_PAGE_SIZE, false);
    } else if (must_fill) {
        vmo->fill(vmo->fill_context, vmo->fill_offset + offset, fresh);
    }
    if (!old || old == ZERO_PAGE)
        vmo->committed++;
    *slot = *out = fresh;
    *exclusive = true;
    page_drop(old);
    return KP_OK;
}

/* ---- the machine interface ---- */

void *kp_machine_vmo_page(kp_machine_vmo_t *vmo, uint64_t offset)
{
    void *page = NULL;
    bool exclusive;
    if (offset % KP_PAGE_SIZE)
        return NULL;
    kp_spin_lock(&vmo->lock);
    if (!vmo->chunks)
        page = offset < vmo->size ? (void *)base_page(vmo, offset) : NULL;
    /* The page of a sealed VMO never moves and may be shared: it must not be parted from those who show
       it without being found (code, clones of processes). A file of the archive is everybody's: pinned,
       nobody could clone it any more. */
    else if (kp_x86_vmo_page(vmo, offset, !vmo->is_sealed && !vmo->is_filled, false, &page,
                             &exclusive) == KP_OK)
        vmo->is_pinned = vmo->is_pinned || !vmo->is_filled;
    else
        page = NULL;
    kp_spin_unlock(&vmo->lock);
    return page;
}

typedef struct transfer {
    char *kernel;
    bool is_write;
} transfer_t;

/* Page by page; the lock is dropped between them, so that interrupts get in. */
static kp_status_t transfer(kp_machine_vmo_t *vmo, uint64_t offset, transfer_t at, size_t count)
{
    while (count > 0) {
        size_t within = offset % KP_PAGE_SIZE;
        size_t part = KP_MIN(count, KP_PAGE_SIZE - within);
        void *page;
        bool exclusive;
        kp_spin_lock(&vmo->lock);
        kp_status_t status =
            kp_x86_vmo_page(vmo, offset - within, at.is_write, !at.is_write, &page, &exclusive);
        if (status == KP_OK) {
            if (at.is_write)
                memcpy((char *)page + within, at.kernel, part);
            else if (page)
                memcpy(at.kernel, (const char *)page + within, part);
            else
                memset(at.kernel, 0, part);
        }
        kp_spin_unlock(&vmo->lock);
        if (status != KP_OK)
            return status;
        at.kernel += part;
        offset += part;
        count -= part;
    }
    return KP_OK;
}

kp_status_t kp_machine_vmo_read(kp_machine_vmo_t *vmo, uint64_t offset, void *to, size_t count)
{
    return transfer(vmo, offset, (transfer_t){.kernel = to}, count);
}

kp_status_t kp_machine_vmo_write(kp_machine_vmo_t *vmo, uint64_t offset, const void *from,
                                 size_t count)
{
    return transfer(vmo, offset, (transfer_t){.kernel = (char *)from, .is_write = true}, count);
}

/* Puts the pages of one source chunk that lie in [first, last) (pages of the source) into the
   clone, which nobody else knows yet. The source's lock is held. */
static kp_status_t clone_pages(kp_machine_vmo_t *clone, void **source, uint64_t first,
                               uint64_t last, uint64_t origin)
{
    for (uint64_t page = first; page < last; page++) {
        void *shared = source[page % CHUNK_PAGES];
        if (!shared)
            continue;
        void **chunk = chunk_own(clone, (page - origin) / CHUNK_PAGES);
        if (!chunk)
            return KP_ERR_NO_MEMORY;
        chunk[(page - origin) % CHUNK_PAGES] = shared;
        if (shared == ZERO_PAGE)
            continue;
        page_share(shared);
        clone->committed++;
    }
    return KP_OK;
}

static kp_status_t clone_chunk(kp_machine_vmo_t *clone, const kp_machine_vmo_t *source,
                               uint64_t index, uint64_t offset, uint64_t length)
{
    void **chunk = source->chunks[index];
    if (!chunk)
        return KP_OK;
    uint64_t first = KP_MAX(index * CHUNK_PAGES, offset / KP_PAGE_SIZE);
    uint64_t last = KP_MIN((index + 1) * CHUNK_PAGES, (offset + length) / KP_PAGE_SIZE);
    /* Whole chunks are shared as they are, when both sides count them alike. */
    bool is_whole = offset % CHUNK_BYTES == 0 &&
                    (last == (index + 1) * CHUNK_PAGES || last * KP_PAGE_SIZE >= source->size);
    if (!is_whole)
        return clone_pages(clone, chunk, first, last, offset / KP_PAGE_SIZE);
    page_share(chunk);
    clone->chunks[index - offset / CHUNK_BYTES] = chunk;
    for (unsigned i = 0; i < CHUNK_PAGES; i++)
        clone->committed += chunk[i] && chunk[i] != ZERO_PAGE;
    return KP_OK;
}

kp_status_t kp_machine_vmo_clone(kp_machine_vmo_t *source, uint64_t offset, uint64_t length,
                                 kp_machine_vmo_t *clone)
{
    kp_status_t status = kp_machine_vmo_init(clone, length);
    if (status != KP_OK)
        return status;
    if (has_base(source, offset)) { /* which never changes */
        clone->base = source->base ? source->base + offset : NULL;
        clone->fill = source->fill;
        clone->fill_context = source->fill_context;
        clone->fill_offset = source->fill_offset + offset;
        clone->base_size = KP_MIN(length, source->base_size - offset);
    }
    /* Chunk by chunk; the lock is dropped between them, so that interrupts get in. */
    uint64_t end = offset + length;
    for (uint64_t at = offset; at < end && status == KP_OK;) {
        uint64_t next = KP_MIN((at / CHUNK_BYTES + 1) * CHUNK_BYTES, end);
        kp_spin_lock(&source->lock);
        if (source->is_pinned)
            status = KP_ERR_BAD_STATE;
        else if (next > source->size)
            status = KP_ERR_OUT_OF_RANGE;
        else if (source->chunks)
            status = clone_chunk(clone, source, at / CHUNK_BYTES, offset, length);
        if (status == KP_OK)
            mappings_clear(source, at, next, true);
        kp_spin_unlock(&source->lock);
        at = next;
    }
    if (status != KP_OK)
        kp_machine_vmo_destroy(clone);
    return status;
}

/* Empties [start, end) of one chunk. vmo->lock is held. */
static kp_status_t chunk_decommit(kp_machine_vmo_t *vmo, uint64_t start, uint64_t end)
{
    uint64_t index = start / CHUNK_BYTES;
    if (!vmo->chunks[index] && !has_base(vmo, start))
        return KP_OK;
    void **chunk = chunk_own(vmo, index);
    if (!chunk)
        return KP_ERR_NO_MEMORY;
    mappings_clear(vmo, start, end, false);
    for (uint64_t at = start; at < end; at += KP_PAGE_SIZE) {
        void **slot = &chunk[at / KP_PAGE_SIZE % CHUNK_PAGES];
        void *old = *slot;
        *slot = has_base(vmo, at) ? ZERO_PAGE : NULL;
        vmo->committed -= old && old != ZERO_PAGE;
        page_drop(old);
    }
    return KP_OK;
}

kp_status_t kp_machine_vmo_decommit(kp_machine_vmo_t *vmo, uint64_t offset, uint64_t length)
{
    kp_status_t status = KP_OK;
    for (uint64_t at = offset, end = offset + length; at < end && status == KP_OK;) {
        uint64_t next = KP_MIN((at / CHUNK_BYTES + 1) * CHUNK_BYTES, end);
        kp_spin_lock(&vmo->lock);
        if (vmo->is_pinned)
            status = KP_ERR_BAD_STATE;
        else if (!vmo->chunks)
            status = KP_ERR_ACCESS_DENIED;
        else if (next > vmo->size)
            status = KP_ERR_OUT_OF_RANGE;
        else
            status = chunk_decommit(vmo, at, next);
        kp_spin_unlock(&vmo->lock);
        at = next;
    }
    return status;
}

kp_status_t kp_machine_vmo_resize(kp_machine_vmo_t *vmo, uint64_t size)
{
    uint64_t count = chunks_for(size);
    void ***chunks = kp_kalloc(count * sizeof(*chunks));
    if (!chunks)
        return KP_ERR_NO_MEMORY;
    kp_spin_lock(&vmo->lock);
    kp_status_t status = KP_OK;
    uint64_t old_size = vmo->size;
    uint64_t chunk_end = KP_MIN(old_size, count * CHUNK_BYTES);
    if (!vmo->chunks || vmo->is_pinned)
        status = KP_ERR_BAD_STATE;
    else if (size < old_size && size < chunk_end) /* the last chunk that stays, in part */
        status = chunk_decommit(vmo, size, chunk_end);
    if (status != KP_OK) {
        kp_spin_unlock(&vmo->lock);
        kp_kfree(chunks);
        return status;
    }
    void ***old_chunks = vmo->chunks;
    uint64_t old_count = vmo->chunk_count, kept = KP_MIN(count, old_count);
    memcpy(chunks, old_chunks, kept * sizeof(*chunks));
    memset(old_chunks, 0, kept * sizeof(*chunks)); /* what is left there goes */
    if (size < vmo->base_size)
        vmo->base_size = size;
    mappings_clear(vmo, size, old_size, false);
    vmo->chunks = chunks;
    vmo->chunk_count = count;
    vmo->size = size;
    for (uint64_t i = kept; i < old_count; i++)
        for (unsigned k = 0; old_chunks[i] && k < CHUNK_PAGES; k++)
            vmo->committed -= old_chunks[i][k] && old_chunks[i][k] != ZERO_PAGE;
    kp_spin_unlock(&vmo->lock);
    chunks_free(old_chunks, old_count);
    return KP_OK;
}

kp_status_t kp_machine_vmo_seal_write(kp_machine_vmo_t *vmo)
{
    /* The core lets nobody write any more, and no mapping can; a device may. */
    kp_spin_lock(&vmo->lock);
    bool may = !vmo->is_pinned;
    vmo->is_sealed = may;
    kp_spin_unlock(&vmo->lock);
    return may ? KP_OK : KP_ERR_BAD_STATE;
}

void kp_machine_vmo_usage(kp_machine_vmo_t *vmo, uint64_t *private_bytes, uint64_t *shared_bytes)
{
    uint64_t all = 0, own = 0;
    kp_spin_lock(&vmo->lock);
    uint64_t end = vmo->chunks ? vmo->size : 0;
    kp_spin_unlock(&vmo->lock);
    for (uint64_t at = 0; at < end; at += CHUNK_BYTES) {
        kp_spin_lock(&vmo->lock);
        void **chunk = at < vmo->size ? vmo->chunks[at / CHUNK_BYTES] : NULL;
        for (unsigned i = 0; chunk && i < CHUNK_PAGES; i++) {
            bool is_page = chunk[i] && chunk[i] != ZERO_PAGE;
            all += is_page;
            own += is_page && !page_is_shared(chunk) && !page_is_shared(chunk[i]);
        }
        kp_spin_unlock(&vmo->lock);
    }
    *private_bytes = own * KP_PAGE_SIZE;
    *shared_bytes = (all - own) * KP_PAGE_SIZE;
}

uint64_t kp_machine_vmo_committed(const kp_machine_vmo_t *vmo)
{
    return vmo->committed * KP_PAGE_SIZE;
}
