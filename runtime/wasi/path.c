/* Functions that take a directory and a path below it. */
#include "runtime/wasi/internal.h"

#define RIGHT(name) KP_WASI_RIGHT(KP_WASI_RIGHT_##name)

/* Rights that make sense for a file that path_open opens. */
#define FILE_RIGHTS                                                                              \
    (RIGHT(FD_DATASYNC) | RIGHT(FD_READ) | RIGHT(FD_SEEK) | RIGHT(FD_FDSTAT_SET_FLAGS) |         \
     RIGHT(FD_SYNC) | RIGHT(FD_TELL) | RIGHT(FD_WRITE) | RIGHT(FD_ADVISE) | RIGHT(FD_ALLOCATE) | \
     RIGHT(FD_FILESTAT_GET) | RIGHT(FD_FILESTAT_SET_SIZE) | RIGHT(FD_FILESTAT_SET_TIMES) |       \
     RIGHT(POLL_FD_READWRITE))

/* A directory argument and the path after it. */
typedef struct place {
    kp_wasi_descriptor_t *directory;
    kp_wasi_path_t path;
    char buffer[KP_WASI_PATH_MAX];
} place_t;

/* directory_at: which argument is the descriptor; path_at: the path's address, its length after it. */
static kp_wasi_errno_t place_read(kp_wasi_context_t *c, unsigned directory_at, unsigned path_at,
                                  uint64_t rights, place_t *place)
{
    kp_wasi_errno_t error =
        kp_wasi_directory(c->wasi, kp_wasi_u32(c, directory_at), rights, &place->directory);
    if (error)
        return error;
    return kp_wasi_path_read(c, kp_wasi_u32(c, path_at), kp_wasi_u32(c, path_at + 1), place->buffer,
                             &place->path);
}

static const kp_wasi_file_ops_t *ops_of(const place_t *place)
{
    return place->directory->file->ops;
}

static bool is_lookup(uint32_t flags, bool *follow)
{
    *follow = flags & KP_WASI_LOOKUP_SYMLINK_FOLLOW;
    return (flags & ~(uint32_t)KP_WASI_LOOKUP_SYMLINK_FOLLOW) == 0;
}

/* ---- path_open ---- */

/* Rights of the directory that the flags of an open need beside PATH_OPEN. */
static uint64_t open_rights(const kp_wasi_open_t *how)
{
    uint64_t rights = 0;
    if (how->oflags & KP_WASI_OFLAG_CREAT)
        rights |= RIGHT(PATH_CREATE_FILE);
    if (how->oflags & KP_WASI_OFLAG_TRUNC)
        rights |= RIGHT(PATH_FILESTAT_SET_SIZE);
    return rights;
}

/* What the rights that a program asks for mean for the host's open. */
static void open_access(kp_wasi_open_t *how, uint64_t base)
{
    const uint64_t writing =
        RIGHT(FD_WRITE) | RIGHT(FD_DATASYNC) | RIGHT(FD_ALLOCATE) | RIGHT(FD_FILESTAT_SET_SIZE);
    how->read = base & (RIGHT(FD_READ) | RIGHT(FD_READDIR));
    how->write = (base & writing) || (how->oflags & KP_WASI_OFLAG_TRUNC);
    if (how->oflags & KP_WASI_OFLAG_DIRECTORY)
        how->write = false;
}

kp_wasi_errno_t kp_wasi_fn_path_open(kp_wasi_context_t *c)
{
    uint32_t oflags = kp_wasi_u32(c, 4), fdflags = kp_wasi_u32(c, 7), result = kp_wasi_u32(c, 8);
    uint64_t base = c->arguments[5], inheriting = c->arguments[6];
    kp_wasi_open_t how = {.oflags = (uint16_t)oflags, .fdflags = (uint16_t)fdflags};
    place_t place;
    kp_wasi_file_t *file;
    uint32_t number;
    if (oflags & ~(uint32_t)KP_WASI_OFLAGS_ALL || fdflags & ~(uint32_t)KP_WASI_FDFLAGS_ALL ||
        !is_lookup(kp_wasi_u32(c, 1), &how.follow))
        return KP_WASI_INVAL;
    kp_wasi_errno_t error = place_read(c, 0, 2, RIGHT(PATH_OPEN) | open_rights(&how), &place);
    if (error)
        return error;
    /* To read or write it must be allowed. All else is cut to what the directory passes on: programs (Go's) ask for
       all that there is, also where they only read. */
    uint64_t given = place.directory->rights_inheriting;
    if (base & (RIGHT(FD_READ) | RIGHT(FD_READDIR) | RIGHT(FD_WRITE)) & ~given)
        return KP_WASI_NOTCAPABLE;
    base &= given;
    inheriting &= given;
    if (!kp_wasi_at(c, result, 4))
        return KP_WASI_FAULT;
    if (!ops_of(&place)->path_open)
        return KP_WASI_NOTSUP;
    open_access(&how, base);
    error = ops_of(&place)->path_open(place.directory->file, place.path, &how, &file);
    if (error)
        return error;
    bool is_directory = file->type == KP_WASI_FILETYPE_DIRECTORY;
    if ((oflags & KP_WASI_OFLAG_DIRECTORY) && (base & RIGHT(FD_WRITE))) {
        file->ops->close(file); /* who asks for a directory cannot mean to write into it */
        return KP_WASI_ISDIR;
    }
    base &= is_directory ? KP_WASI_DIRECTORY_RIGHTS : FILE_RIGHTS;
    if (!is_directory)
        inheriting = 0;
    error = kp_wasi_descriptor_open(c->wasi, file, base, inheriting & KP_WASI_RIGHTS_ALL, &number);
    return error ? error : kp_wasi_write32(c, result, number);
}

/* ---- one path ---- */

kp_wasi_errno_t kp_wasi_fn_path_create_directory(kp_wasi_context_t *c)
{
    place_t place;
    kp_wasi_errno_t error = place_read(c, 0, 1, RIGHT(PATH_CREATE_DIRECTORY), &place);
    if (error)
        return error;
    return ops_of(&place)->path_create_directory
               ? ops_of(&place)->path_create_directory(place.directory->file, place.path)
               : KP_WASI_ROFS;
}

kp_wasi_errno_t kp_wasi_fn_path_remove_directory(kp_wasi_context_t *c)
{
    place_t place;
    kp_wasi_errno_t error = place_read(c, 0, 1, RIGHT(PATH_REMOVE_DIRECTORY), &place);
    if (error)
        return error;
    return ops_of(&place)->path_remove_directory
               ? ops_of(&place)->path_remove_directory(place.directory->file, place.path)
               : KP_WASI_ROFS;
}

kp_wasi_errno_t kp_wasi_fn_path_unlink_file(kp_wasi_context_t *c)
{
    place_t place;
    kp_wasi_errno_t error = place_read(c, 0, 1, RIGHT(PATH_UNLINK_FILE), &place);
    if (error)
        return error;
    return ops_of(&place)->path_unlink_file
               ? ops_of(&place)->path_unlink_file(place.directory->file, place.path)
               : KP_WASI_ROFS;
}

kp_wasi_errno_t kp_wasi_fn_path_filestat_get(kp_wasi_context_t *c)
{
    place_t place;
    bool follow;
    kp_wasi_filestat_t stat = {0};
    if (!is_lookup(kp_wasi_u32(c, 1), &follow))
        return KP_WASI_INVAL;
    kp_wasi_errno_t error = place_read(c, 0, 2, RIGHT(PATH_FILESTAT_GET), &place);
    if (error)
        return error;
    uint8_t *at = kp_wasi_at(c, kp_wasi_u32(c, 4), KP_WASI_SIZE_FILESTAT);
    if (!at)
        return KP_WASI_FAULT;
    if (!ops_of(&place)->path_stat)
        return KP_WASI_NOTSUP;
    error = ops_of(&place)->path_stat(place.directory->file, place.path, follow, &stat);
    if (!error)
        kp_wasi_filestat_write(at, &stat);
    return error;
}

kp_wasi_errno_t kp_wasi_fn_path_filestat_set_times(kp_wasi_context_t *c)
{
    place_t place;
    bool follow;
    kp_wasi_times_t times = {c->arguments[4], c->arguments[5], (uint16_t)kp_wasi_u32(c, 6)};
    if (!is_lookup(kp_wasi_u32(c, 1), &follow) || kp_wasi_u32(c, 6) > 15 ||
        (times.flags & 3) == 3 || (times.flags & 12) == 12)
        return KP_WASI_INVAL;
    kp_wasi_errno_t error = place_read(c, 0, 2, RIGHT(PATH_FILESTAT_SET_TIMES), &place);
    if (error)
        return error;
    return ops_of(&place)->path_times_set
               ? ops_of(&place)->path_times_set(place.directory->file, place.path, follow, &times)
               : KP_WASI_ROFS;
}

kp_wasi_errno_t kp_wasi_fn_path_readlink(kp_wasi_context_t *c)
{
    place_t place;
    size_t count;
    uint32_t capacity = kp_wasi_u32(c, 4);
    kp_wasi_errno_t error = place_read(c, 0, 1, RIGHT(PATH_READLINK), &place);
    if (error)
        return error;
    uint8_t *to = kp_wasi_at(c, kp_wasi_u32(c, 3), capacity);
    if (!to || !kp_wasi_at(c, kp_wasi_u32(c, 5), 4))
        return KP_WASI_FAULT;
    if (!ops_of(&place)->path_readlink)
        return KP_WASI_INVAL;
    error = ops_of(&place)->path_readlink(place.directory->file, place.path, (char *)to, capacity,
                                          &count);
    return error ? error : kp_wasi_write32(c, kp_wasi_u32(c, 5), count);
}

/* ---- two paths ---- */

kp_wasi_errno_t kp_wasi_fn_path_symlink(kp_wasi_context_t *c)
{
    place_t place;
    char buffer[KP_WASI_PATH_MAX];
    kp_wasi_path_t target;
    kp_wasi_errno_t error = place_read(c, 2, 3, RIGHT(PATH_SYMLINK), &place);
    if (!error)
        error = kp_wasi_path_read(c, kp_wasi_u32(c, 0), kp_wasi_u32(c, 1), buffer, &target);
    if (error)
        return error;
    /* A link that could lead outside is not made, though no path of ours would follow it. */
    if (target.text[0] == '/')
        return KP_WASI_NOTCAPABLE;
    return ops_of(&place)->path_symlink
               ? ops_of(&place)->path_symlink(place.directory->file, target, place.path)
               : KP_WASI_ROFS;
}

kp_wasi_errno_t kp_wasi_fn_path_link(kp_wasi_context_t *c)
{
    place_t from, to;
    if (kp_wasi_u32(c, 1) != 0) /* the file behind a symbolic link: nobody needs it */
        return KP_WASI_INVAL;
    kp_wasi_errno_t error = place_read(c, 0, 2, RIGHT(PATH_LINK_SOURCE), &from);
    if (!error)
        error = place_read(c, 4, 5, RIGHT(PATH_LINK_TARGET), &to);
    if (error)
        return error;
    if (ops_of(&from) != ops_of(&to))
        return KP_WASI_XDEV;
    return ops_of(&from)->path_link ? ops_of(&from)->path_link(from.directory->file, from.path,
                                                               to.directory->file, to.path)
                                    : KP_WASI_ROFS;
}

kp_wasi_errno_t kp_wasi_fn_path_rename(kp_wasi_context_t *c)
{
    place_t from, to;
    kp_wasi_errno_t error = place_read(c, 0, 1, RIGHT(PATH_RENAME_SOURCE), &from);
    if (!error)
        error = place_read(c, 3, 4, RIGHT(PATH_RENAME_TARGET), &to);
    if (error)
        return error;
    if (ops_of(&from) != ops_of(&to))
        return KP_WASI_XDEV;
    return ops_of(&from)->path_rename ? ops_of(&from)->path_rename(from.directory->file, from.path,
                                                                   to.directory->file, to.path)
                                      : KP_WASI_ROFS;
}
