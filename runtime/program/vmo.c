#include "runtime/program/vmo.h"

#include <stdlib.h>

#include "runtime/program/kp.h"

static size_t round_to_pages(size_t size)
{
    return (size + KP_PAGE_SIZE - 1) & ~(size_t)(KP_PAGE_SIZE - 1);
}

/* Finds address space in malloc's heap and maps there. While mapped, malloc keeps its hands off;
   its own book-keeping lies outside these pages. */
static kp_status_t map(kp_vmo_buffer_t *buffer, kp_handle_t vmo, size_t size, bool is_writable)
{
    void *bytes = aligned_alloc(KP_PAGE_SIZE, size);
    if (!bytes)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_vmo_map(vmo, 0, bytes, size, is_writable ? KP_VMO_MAP_WRITE : 0);
    if (status != KP_OK) {
        free(bytes);
        return status;
    }
    *buffer = (kp_vmo_buffer_t){.vmo = vmo, .bytes = bytes, .size = size};
    return KP_OK;
}

kp_status_t kp_vmo_buffer_create(kp_vmo_buffer_t *buffer, size_t size)
{
    *buffer = (kp_vmo_buffer_t){.vmo = KP_HANDLE_NONE};
    if (size == 0)
        return KP_ERR_INVALID_ARGUMENT;
    if (size > SIZE_MAX - KP_PAGE_SIZE)
        return KP_ERR_NO_MEMORY;
    size = round_to_pages(size);
    int64_t vmo = kp_vmo_create(size);
    if (vmo < 0)
        return (kp_status_t)vmo;
    kp_status_t status = map(buffer, (kp_handle_t)vmo, size, true);
    if (status != KP_OK)
        (void)kp_handle_close((kp_handle_t)vmo);
    return status;
}

kp_status_t kp_vmo_buffer_map(kp_vmo_buffer_t *buffer, kp_handle_t vmo, size_t size,
                              bool is_writable)
{
    *buffer = (kp_vmo_buffer_t){.vmo = KP_HANDLE_NONE};
    int64_t whole = kp_vmo_size(vmo);
    if (whole < 0)
        return (kp_status_t)whole;
    if ((uint64_t)whole > SIZE_MAX - KP_PAGE_SIZE)
        return KP_ERR_NO_MEMORY;
    if (size > (size_t)whole)
        return KP_ERR_OUT_OF_RANGE;
    size = round_to_pages(size ? size : (size_t)whole);
    if (size == 0)
        return KP_ERR_OUT_OF_RANGE;
    return map(buffer, vmo, size, is_writable);
}

int64_t kp_vmo_buffer_share(const kp_vmo_buffer_t *buffer, kp_rights_t rights)
{
    return kp_handle_duplicate(buffer->vmo, rights);
}

void kp_vmo_buffer_destroy(kp_vmo_buffer_t *buffer)
{
    if (buffer->bytes) {
        /* Should the range stay mapped (no memory for private pages), malloc must not have it back:
           others could see what is put there. Its address space is lost then. */
        if (kp_vmo_unmap(buffer->bytes, buffer->size) == KP_OK)
            free(buffer->bytes);
        (void)kp_handle_close(buffer->vmo);
    }
    *buffer = (kp_vmo_buffer_t){.vmo = KP_HANDLE_NONE};
}
