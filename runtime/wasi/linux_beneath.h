/* The wall below a directory of Linux, for all code that is lent one: WASI on Linux and the hosted kernel's mounts.
   openat2 with RESOLVE_BENEATH: the host's kernel itself refuses a path that would leave the directory by "..", an
   absolute name or a symbolic link (EXDEV), whatever others do to the tree meanwhile. Calls that have no such flag get
   the last name's own directory from it, and then a name without a slash.
   Any thread; results are 0 or a file descriptor, else a negative errno. */
#ifndef KP_WASI_LINUX_BENEATH_H
#define KP_WASI_LINUX_BENEATH_H

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KP_LINUX_PATH_SIZE = 4096 }; /* of Linux (PATH_MAX), with the zero */

/* A file descriptor (O_CLOEXEC); -EXDEV: the path leads out. mode counts with O_CREAT. */
static inline int kp_linux_open_beneath(int directory, const char *path, int flags, unsigned mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0; tries < 100; tries++) {
        long fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR) /* EAGAIN: a rename happened meanwhile */
            return -errno;
    }
    return -EAGAIN;
}

/* The last name of a path in its own directory. */
typedef struct kp_linux_place {
    int directory; /* to be closed */
    const char
        *name; /* in text; no slash in it but trailing ones; "." when the path has no last name */
    char text[KP_LINUX_PATH_SIZE];
} kp_linux_place_t;

/* The path's length is without a zero, which it need not have. On an error nothing is to be closed. */
static inline int kp_linux_place_open(int directory, const char *path, size_t path_length,
                                      kp_linux_place_t *place)
{
    char above[KP_LINUX_PATH_SIZE];
    size_t length = path_length;
    place->directory = -1;
    place->name = place->text;
    if (path_length >= sizeof(place->text))
        return -ENAMETOOLONG;
    memcpy(place->text, path, path_length);
    place->text[path_length] = 0;
    if (place->text[0] == '/')
        return -EXDEV;
    while (length > 0 && place->text[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && place->text[start - 1] != '/')
        start--;
    const char *name = place->text + start;
    bool is_dots = (length - start == 1 && name[0] == '.') ||
                   (length - start == 2 && name[0] == '.' && name[1] == '.');
    if (is_dots) { /* the last name is no entry: the whole path is the directory */
        start = path_length;
        name = ".";
    }
    memcpy(above, place->text, start);
    above[start] = 0;
    place->name = name;
    place->directory =
        kp_linux_open_beneath(directory, start ? above : ".", O_PATH | O_DIRECTORY, 0);
    return place->directory < 0 ? place->directory : 0;
}

#endif
