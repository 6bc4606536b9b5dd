/* The table of descriptors, and the functions that take one descriptor. */
#include <stdlib.h>

#include "runtime/wasi/internal.h"

kp_wasi_errno_t kp_wasi_descriptor(kp_wasi_t *wasi, uint32_t number, uint64_t rights,
                                   kp_wasi_descriptor_t **out)
{
    if (number >= wasi->descriptor_count || !wasi->descriptors[number].file)
        return KP_WASI_BADF;
    *out = &wasi->descriptors[number];
    return ((*out)->rights_base & rights) == rights ? KP_WASI_SUCCESS : KP_WASI_NOTCAPABLE;
}

kp_wasi_errno_t kp_wasi_directory(kp_wasi_t *wasi, uint32_t number, uint64_t rights,
                                  kp_wasi_descriptor_t **out)
{
    kp_wasi_errno_t error = kp_wasi_descriptor(wasi, number, 0, out);
    if (error)
        return error;
    if ((*out)->file->type != KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_NOTDIR;
    return ((*out)->rights_base & rights) == rights ? KP_WASI_SUCCESS : KP_WASI_NOTCAPABLE;
}

static kp_wasi_errno_t table_grow(kp_wasi_t *wasi)
{
    if (wasi->descriptor_count >= wasi->options.descriptors_max)
        return KP_WASI_MFILE;
    uint32_t count = wasi->descriptor_count ? wasi->descriptor_count * 2 : 8;
    if (count > wasi->options.descriptors_max)
        count = wasi->options.descriptors_max;
    kp_wasi_descriptor_t *grown = realloc(wasi->descriptors, count * sizeof(*grown));
    if (!grown)
        return KP_WASI_NOMEM;
    memset(grown + wasi->descriptor_count, 0, (count - wasi->descriptor_count) * sizeof(*grown));
    wasi->descriptors = grown;
    wasi->descriptor_count = count;
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_descriptor_open(kp_wasi_t *wasi, kp_wasi_file_t *file, uint64_t base,
                                        uint64_t inheriting, uint32_t *number)
{
    uint32_t free_number = 0;
    while (free_number < wasi->descriptor_count && wasi->descriptors[free_number].file)
        free_number++;
    kp_wasi_errno_t error = KP_WASI_SUCCESS;
    if (free_number == wasi->descriptor_count)
        error = table_grow(wasi);
    if (error) {
        file->ops->close(file);
        return error;
    }
    wasi->descriptors[free_number] =
        (kp_wasi_descriptor_t){.file = file, .rights_base = base, .rights_inheriting = inheriting};
    *number = free_number;
    return KP_WASI_SUCCESS;
}

void kp_wasi_descriptor_close(kp_wasi_t *wasi, kp_wasi_descriptor_t *descriptor)
{
    (void)wasi;
    if (descriptor->file)
        descriptor->file->ops->close(descriptor->file);
    free(descriptor->preopen);
    memset(descriptor, 0, sizeof(*descriptor));
}

kp_wasi_errno_t kp_wasi_fn_fd_close(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    kp_wasi_errno_t error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), 0, &descriptor);
    if (!error)
        kp_wasi_descriptor_close(c->wasi, descriptor);
    return error;
}

kp_wasi_errno_t kp_wasi_fn_fd_renumber(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *from, *to;
    kp_wasi_errno_t error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), 0, &from);
    if (!error)
        error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 1), 0, &to);
    if (error || from == to)
        return error;
    kp_wasi_descriptor_close(c->wasi, to);
    *to = *from;
    memset(from, 0, sizeof(*from));
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_fd_prestat_get(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    kp_wasi_errno_t error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), 0, &descriptor);
    uint8_t *at = kp_wasi_at(c, kp_wasi_u32(c, 1), KP_WASI_SIZE_PRESTAT);
    if (error)
        return error;
    if (!descriptor->preopen)
        return KP_WASI_BADF;
    if (!at)
        return KP_WASI_FAULT;
    kp_wasi_put32(at, 0); /* a directory */
    kp_wasi_put32(at + 4, (uint32_t)strlen(descriptor->preopen));
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_fd_prestat_dir_name(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    uint32_t capacity = kp_wasi_u32(c, 2);
    kp_wasi_errno_t error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), 0, &descriptor);
    if (error)
        return error;
    if (!descriptor->preopen)
        return KP_WASI_BADF;
    size_t length = strlen(descriptor->preopen);
    if (capacity < length)
        return KP_WASI_NAMETOOLONG;
    uint8_t *at = kp_wasi_at(c, kp_wasi_u32(c, 1), length);
    if (!at)
        return KP_WASI_FAULT;
    memcpy(at, descriptor->preopen, length);
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_fd_fdstat_get(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    uint16_t flags = 0;
    kp_wasi_errno_t error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), 0, &descriptor);
    uint8_t *at = kp_wasi_at(c, kp_wasi_u32(c, 1), KP_WASI_SIZE_FDSTAT);
    if (error)
        return error;
    if (!at)
        return KP_WASI_FAULT;
    if (descriptor->file->ops->flags_get)
        error = descriptor->file->ops->flags_get(descriptor->file, &flags);
    if (error)
        return error;
    memset(at, 0, KP_WASI_SIZE_FDSTAT);
    at[0] = (uint8_t)descriptor->file->type;
    kp_wasi_put16(at + 2, flags);
    kp_wasi_put64(at + 8, descriptor->rights_base);
    kp_wasi_put64(at + 16, descriptor->rights_inheriting);
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_fd_fdstat_set_flags(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    kp_wasi_errno_t error = kp_wasi_descriptor(
        c->wasi, kp_wasi_u32(c, 0), KP_WASI_RIGHT(KP_WASI_RIGHT_FD_FDSTAT_SET_FLAGS), &descriptor);
    if (error)
        return error;
    if (kp_wasi_u32(c, 1) & ~(uint32_t)KP_WASI_FDFLAGS_ALL)
        return KP_WASI_INVAL;
    if (!descriptor->file->ops->flags_set)
        return KP_WASI_NOTSUP;
    return descriptor->file->ops->flags_set(descriptor->file, (uint16_t)kp_wasi_u32(c, 1));
}

/* Rights only shrink. */
kp_wasi_errno_t kp_wasi_fn_fd_fdstat_set_rights(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    uint64_t base = c->arguments[1], inheriting = c->arguments[2];
    kp_wasi_errno_t error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), 0, &descriptor);
    if (error)
        return error;
    if ((base & ~descriptor->rights_base) || (inheriting & ~descriptor->rights_inheriting))
        return KP_WASI_NOTCAPABLE;
    descriptor->rights_base = base;
    descriptor->rights_inheriting = inheriting;
    return KP_WASI_SUCCESS;
}
