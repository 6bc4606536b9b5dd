/* Paths in a tree. One walk resolves them all; it counts on nothing but the tree itself, and never goes above the node
   that it started from. Errors are those that Linux gives. */
#include "runtime/wasi/tree_internal.h"

enum { LINKS_MAX = 40, TEXT_MAX = 4096 };

/* What is done with the last name. */
typedef enum last {
    LAST_STAYS = 0,    /* a symbolic link means itself */
    LAST_FOLLOWED = 1, /* it means what it points to */
    LAST_ENTERED = 2,  /* so does "link/" */
    LAST_MADE = 4,     /* ISDIR: "name/" */
} last_t;

typedef struct walk {
    kp_wasi_node_t *start;
    kp_wasi_node_t
        *directory;   /* the last name's; NULL: the path ends in "." or "..", and node is set */
    const char *name; /* in text; length bytes */
    size_t length;
    kp_wasi_node_t *node; /* what the path names, or NULL */
    bool slash;           /* the path ends in one */
    unsigned links;
    char text[TEXT_MAX];
} walk_t;

/* The target of the link goes in front of what is left of the path. */
static kp_wasi_errno_t walk_into_link(walk_t *walk, const kp_wasi_node_t *link, size_t *at)
{
    size_t left = strlen(walk->text + *at);
    if (++walk->links > LINKS_MAX)
        return KP_WASI_LOOP;
    if (link->target[0] == '/')
        return KP_WASI_NOTCAPABLE;
    if (link->size + left >= sizeof(walk->text))
        return KP_WASI_NAMETOOLONG;
    memmove(walk->text + link->size, walk->text + *at, left + 1);
    memcpy(walk->text, link->target, (size_t)link->size);
    *at = 0;
    return KP_WASI_SUCCESS;
}

static bool is_dots(const char *name, size_t length)
{
    return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

/* The next name of the path: [*at, *at + length), behind it *next. length 0: there is none. */
static size_t name_next(const char *text, size_t *at, size_t *next)
{
    while (text[*at] == '/')
        ++*at;
    size_t end = *at;
    while (text[end] && text[end] != '/')
        end++;
    *next = end;
    while (text[*next] == '/')
        ++*next;
    return end - *at;
}

static kp_wasi_errno_t walk_path(walk_t *walk, kp_wasi_file_t *file, kp_wasi_path_t path,
                                 unsigned last)
{
    kp_wasi_node_t *here = kp_wasi_tree_file(file)->node;
    size_t at = 0, next, length;
    walk->start = here;
    walk->directory = walk->node = NULL;
    walk->name = walk->text;
    walk->length = 0;
    walk->slash = false;
    walk->links = 0;
    if (path.text[0] == '/')
        return KP_WASI_NOTCAPABLE;
    if (path.length >= sizeof(walk->text))
        return KP_WASI_NAMETOOLONG;
    memcpy(walk->text, path.text, path.length + 1);
    while ((length = name_next(walk->text, &at, &next)) > 0) {
        const char *name = walk->text + at;
        bool is_last = walk->text[next] == '\0';
        walk->slash = is_last && name[length] == '/';
        if (is_dots(name, length)) {
            if (length == 2 && here == walk->start)
                return KP_WASI_NOTCAPABLE;
            /* Below the start every directory has one above it. */
            here = length == 2 ? here->directory.parent : here;
            at = next;
            continue;
        }
        if (length > KP_WASI_NAME_MAX)
            return KP_WASI_NAMETOOLONG;
        if (walk->slash && (last & LAST_MADE))
            return KP_WASI_ISDIR;
        const kp_wasi_entry_t *entry = kp_wasi_entry_find(here, name, length);
        kp_wasi_node_t *node = entry ? entry->node : NULL;
        if (node && node->type == KP_WASI_FILETYPE_SYMBOLIC_LINK &&
            (!is_last || (last & LAST_FOLLOWED) || ((last & LAST_ENTERED) && walk->slash))) {
            at += length;
            kp_wasi_errno_t error = walk_into_link(walk, node, &at);
            if (error)
                return error;
            continue;
        }
        if (is_last) {
            walk->directory = here;
            walk->name = name;
            walk->length = length;
            walk->node = node;
            return KP_WASI_SUCCESS;
        }
        if (!node)
            return KP_WASI_NOENT;
        if (node->type != KP_WASI_FILETYPE_DIRECTORY)
            return KP_WASI_NOTDIR;
        here = node;
        at = next;
    }
    walk->node = here;
    walk->slash = false;
    return KP_WASI_SUCCESS;
}

/* The node that the path names: NOENT, NOTDIR ("file/"). */
static kp_wasi_errno_t walk_to_node(walk_t *walk, kp_wasi_file_t *file, kp_wasi_path_t path,
                                    unsigned last)
{
    kp_wasi_errno_t error = walk_path(walk, file, path, last);
    if (error)
        return error;
    if (!walk->node)
        return KP_WASI_NOENT;
    return walk->slash && walk->node->type != KP_WASI_FILETYPE_DIRECTORY ? KP_WASI_NOTDIR
                                                                         : KP_WASI_SUCCESS;
}

static kp_wasi_tree_t *tree_of(kp_wasi_file_t *file)
{
    return kp_wasi_tree_file(file)->tree;
}

/* Makes a node under the walk's last name, which is free. */
static kp_wasi_errno_t node_make(kp_wasi_tree_t *tree, const walk_t *walk, kp_wasi_filetype_t type,
                                 kp_wasi_node_t **node)
{
    if (walk->directory->links == 0) /* it was removed, but is open */
        return KP_WASI_NOENT;
    *node = kp_wasi_node_create(tree, type);
    if (!*node)
        return KP_WASI_NOSPC;
    kp_wasi_errno_t error =
        kp_wasi_entry_add(tree, walk->directory, walk->name, walk->length, *node);
    if (error)
        kp_wasi_node_drop(tree, *node);
    return error;
}

/* ---- opening ---- */

static kp_wasi_errno_t open_check(const walk_t *walk, const kp_wasi_open_t *how)
{
    bool is_directory = walk->node->type == KP_WASI_FILETYPE_DIRECTORY;
    if ((how->oflags & KP_WASI_OFLAG_CREAT) && (how->oflags & KP_WASI_OFLAG_EXCL))
        return KP_WASI_EXIST;
    if (is_directory && how->oflags & (KP_WASI_OFLAG_CREAT | KP_WASI_OFLAG_TRUNC))
        return KP_WASI_ISDIR;
    if (!is_directory && (walk->slash || how->oflags & KP_WASI_OFLAG_DIRECTORY))
        return KP_WASI_NOTDIR;
    return walk->node->type == KP_WASI_FILETYPE_SYMBOLIC_LINK ? KP_WASI_LOOP : KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_tree_path_open(kp_wasi_file_t *file, kp_wasi_path_t path,
                                       const kp_wasi_open_t *how, kp_wasi_file_t **out)
{
    const uint16_t create = KP_WASI_OFLAG_CREAT, new = create | KP_WASI_OFLAG_EXCL;
    kp_wasi_tree_t *tree = tree_of(file);
    kp_wasi_errno_t error;
    walk_t walk;
    if ((how->oflags & create) && (how->oflags & KP_WASI_OFLAG_DIRECTORY))
        return KP_WASI_INVAL;
    bool follow = how->follow && (how->oflags & new) != new;
    error =
        walk_path(&walk, file, path,
                  (follow ? LAST_FOLLOWED : LAST_ENTERED) | (how->oflags & create ? LAST_MADE : 0));
    if (error)
        return error;
    if (walk.node)
        error = open_check(&walk, how);
    else if (!(how->oflags & create))
        error = KP_WASI_NOENT;
    if (error)
        return error;
    if (tree->options.read &&
        ((how->oflags & (create | KP_WASI_OFLAG_TRUNC)) ||
         (how->write && walk.node && walk.node->type != KP_WASI_FILETYPE_DIRECTORY)))
        return KP_WASI_ROFS;
    if (!walk.node)
        error = node_make(tree, &walk, KP_WASI_FILETYPE_REGULAR_FILE, &walk.node);
    else if (how->oflags & KP_WASI_OFLAG_TRUNC)
        error = kp_wasi_node_resize(tree, walk.node, 0);
    if (error)
        return error;
    *out = kp_wasi_tree_open(tree, walk.node, how->fdflags);
    return *out ? KP_WASI_SUCCESS : KP_WASI_NOMEM;
}

/* ---- one path ---- */

kp_wasi_errno_t kp_wasi_tree_path_stat(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                       kp_wasi_filestat_t *stat)
{
    walk_t walk;
    kp_wasi_errno_t error = walk_to_node(&walk, file, path, follow ? LAST_FOLLOWED : LAST_ENTERED);
    if (!error)
        kp_wasi_node_stat(tree_of(file), walk.node, stat);
    return error;
}

kp_wasi_errno_t kp_wasi_tree_path_times_set(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                            const kp_wasi_times_t *times)
{
    walk_t walk;
    kp_wasi_errno_t error = walk_to_node(&walk, file, path, follow ? LAST_FOLLOWED : LAST_ENTERED);
    if (error)
        return error;
    if (tree_of(file)->options.read)
        return KP_WASI_ROFS;
    kp_wasi_node_times(tree_of(file), walk.node, times);
    return KP_WASI_SUCCESS;
}

/* For what adds a name: EXIST, ROFS. */
static kp_wasi_errno_t new_check(const kp_wasi_tree_t *tree, const walk_t *walk)
{
    if (walk->node)
        return KP_WASI_EXIST;
    return tree->options.read ? KP_WASI_ROFS : KP_WASI_SUCCESS;
}

static kp_wasi_errno_t walk_to_new(walk_t *walk, kp_wasi_file_t *file, kp_wasi_path_t path)
{
    kp_wasi_errno_t error = walk_path(walk, file, path, LAST_STAYS);
    return error ? error : new_check(tree_of(file), walk);
}

kp_wasi_errno_t kp_wasi_tree_path_create_directory(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    walk_t walk;
    kp_wasi_node_t *node;
    kp_wasi_errno_t error = walk_to_new(&walk, file, path);
    return error ? error : node_make(tree_of(file), &walk, KP_WASI_FILETYPE_DIRECTORY, &node);
}

/* For what takes a name away: NOENT, ROFS; dots: what is said of a path that ends in them. */
static kp_wasi_errno_t walk_to_entry(walk_t *walk, kp_wasi_file_t *file, kp_wasi_path_t path,
                                     kp_wasi_errno_t dots)
{
    kp_wasi_errno_t error = walk_path(walk, file, path, LAST_STAYS);
    if (error)
        return error;
    if (!walk->directory)
        return dots;
    if (!walk->node)
        return KP_WASI_NOENT;
    return tree_of(file)->options.read ? KP_WASI_ROFS : KP_WASI_SUCCESS;
}

static void walk_remove(kp_wasi_file_t *file, const walk_t *walk)
{
    kp_wasi_entry_remove(tree_of(file), walk->directory,
                         kp_wasi_entry_find(walk->directory, walk->name, walk->length));
}

kp_wasi_errno_t kp_wasi_tree_path_remove_directory(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    walk_t walk;
    kp_wasi_errno_t error = walk_to_entry(&walk, file, path, KP_WASI_INVAL);
    if (error)
        return error;
    if (walk.node->type != KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_NOTDIR;
    if (walk.node->directory.count > 0)
        return KP_WASI_NOTEMPTY;
    walk_remove(file, &walk);
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_tree_path_unlink_file(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    walk_t walk;
    kp_wasi_errno_t error = walk_to_entry(&walk, file, path, KP_WASI_ISDIR);
    if (error)
        return error;
    if (walk.node->type == KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_ISDIR;
    if (walk.slash)
        return KP_WASI_NOTDIR;
    walk_remove(file, &walk);
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_tree_path_readlink(kp_wasi_file_t *file, kp_wasi_path_t path, char *to,
                                           size_t capacity, size_t *count)
{
    walk_t walk;
    kp_wasi_errno_t error = walk_to_node(&walk, file, path, LAST_ENTERED);
    if (error)
        return error;
    if (walk.node->type != KP_WASI_FILETYPE_SYMBOLIC_LINK)
        return KP_WASI_INVAL;
    *count = walk.node->size < capacity ? (size_t)walk.node->size : capacity;
    memcpy(to, walk.node->target, *count);
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_tree_path_symlink(kp_wasi_file_t *file, kp_wasi_path_t target,
                                          kp_wasi_path_t path)
{
    kp_wasi_tree_t *tree = tree_of(file);
    kp_wasi_node_t *node;
    walk_t walk;
    kp_wasi_errno_t error = walk_to_new(&walk, file, path);
    if (!error && walk.slash)
        error = KP_WASI_NOENT;
    if (error)
        return error;
    char *copy = kp_wasi_tree_alloc(tree, NULL, 0, target.length);
    if (!copy)
        return KP_WASI_NOSPC;
    error = node_make(tree, &walk, KP_WASI_FILETYPE_SYMBOLIC_LINK, &node);
    if (error) {
        kp_wasi_tree_free(tree, copy, target.length);
        return error;
    }
    memcpy(copy, target.text, target.length);
    node->target = copy;
    node->size = target.length;
    return KP_WASI_SUCCESS;
}

/* ---- two paths ---- */

kp_wasi_errno_t kp_wasi_tree_path_link(kp_wasi_file_t *file, kp_wasi_path_t path,
                                       kp_wasi_file_t *to, kp_wasi_path_t to_path)
{
    walk_t from_walk, to_walk;
    if (tree_of(file) != tree_of(to))
        return KP_WASI_XDEV;
    kp_wasi_errno_t error;
    if (path.text[path.length - 1] == '/') { /* a directory or nothing */
        error = walk_to_node(&from_walk, file, path, LAST_ENTERED);
        return error ? error : KP_WASI_PERM;
    }
    /* Both ways are gone before anything is said of their ends. */
    error = walk_path(&from_walk, file, path, LAST_STAYS);
    if (!error)
        error = walk_path(&to_walk, to, to_path, LAST_STAYS);
    if (!error && !from_walk.node)
        error = KP_WASI_NOENT;
    if (!error)
        error = new_check(tree_of(to), &to_walk);
    if (error)
        return error;
    if (to_walk.slash || to_walk.directory->links == 0)
        return KP_WASI_NOENT;
    if (from_walk.node->type == KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_PERM;
    return kp_wasi_entry_add(tree_of(to), to_walk.directory, to_walk.name, to_walk.length,
                             from_walk.node);
}

static bool is_at_or_below(const kp_wasi_node_t *directory, const kp_wasi_node_t *top)
{
    while (directory && directory != top)
        directory = directory->directory.parent;
    return directory != NULL;
}

static kp_wasi_errno_t rename_check(const kp_wasi_tree_t *tree, const walk_t *from,
                                    const walk_t *to)
{
    if (!from->directory || !to->directory)
        return KP_WASI_BUSY;
    if (!from->node)
        return KP_WASI_NOENT;
    if (tree->options.read)
        return KP_WASI_ROFS;
    bool is_directory = from->node->type == KP_WASI_FILETYPE_DIRECTORY;
    if (to->directory->links == 0)
        return KP_WASI_NOENT;
    if (!is_directory && (from->slash || to->slash))
        return KP_WASI_NOTDIR;
    if (is_at_or_below(to->directory, from->node))
        return KP_WASI_INVAL; /* into itself */
    if (to->node && is_at_or_below(from->directory, to->node))
        return KP_WASI_NOTEMPTY;
    if (!to->node || to->node == from->node)
        return KP_WASI_SUCCESS;
    if (to->node->type != KP_WASI_FILETYPE_DIRECTORY)
        return is_directory ? KP_WASI_NOTDIR : KP_WASI_SUCCESS;
    return !is_directory                   ? KP_WASI_ISDIR
           : to->node->directory.count > 0 ? KP_WASI_NOTEMPTY
                                           : KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_tree_path_rename(kp_wasi_file_t *file, kp_wasi_path_t path,
                                         kp_wasi_file_t *to, kp_wasi_path_t to_path)
{
    kp_wasi_tree_t *tree = tree_of(file);
    walk_t from_walk, to_walk;
    if (tree != tree_of(to))
        return KP_WASI_XDEV;
    /* Both ways are gone before anything is said of their ends. */
    kp_wasi_errno_t error = walk_path(&from_walk, file, path, LAST_STAYS);
    if (!error)
        error = walk_path(&to_walk, to, to_path, LAST_STAYS);
    if (!error)
        error = rename_check(tree, &from_walk, &to_walk);
    if (error || to_walk.node == from_walk.node)
        return error;
    /* First the new name, which may find no room; then the old ones go. */
    kp_wasi_node_t *node = from_walk.node, *replaced = to_walk.node;
    if (replaced) {
        kp_wasi_entry_t *entry =
            kp_wasi_entry_find(to_walk.directory, to_walk.name, to_walk.length);
        kp_wasi_entry_replace(tree, to_walk.directory, entry, node);
    } else {
        error = kp_wasi_entry_add(tree, to_walk.directory, to_walk.name, to_walk.length, node);
    }
    if (!error)
        walk_remove(file, &from_walk);
    return error;
}
