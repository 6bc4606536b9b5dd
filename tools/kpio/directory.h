/* kpio run --program --dir: directories of the user's as what the kernel gives to the program
   (kernel/init/directories.h). Host code. */
#ifndef KP_TOOLS_KPIO_DIRECTORY_H
#define KP_TOOLS_KPIO_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One --dir or --dir-ro [HOST::]GUEST. */
typedef struct kp_directory_option {
    char host[4096]; /* "": an empty directory in memory */
    char guest[256]; /* absolute */
    bool read_only;
} kp_directory_option_t;

/* False: it is none, or the host's directory is not there; said. */
bool kp_directory_parse(const char *text, bool read_only, kp_directory_option_t *option);

/* All that lies below a directory, in the form of kernel/init/directories.h; *bytes is the caller's. What is no regular
   file, directory or symbolic link is left out. False: something cannot be read, or it is more than limit bytes; said. */
bool kp_directory_pack(const char *path, size_t limit, uint8_t **bytes, size_t *size);

#endif
