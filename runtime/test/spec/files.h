/* Where a suite's files come from: a directory of Linux (files_linux.c), or on KPIO a tar archive that the
   process was given (files_archive.c). */
#ifndef KP_RUNTIME_TEST_SPEC_FILES_H
#define KP_RUNTIME_TEST_SPEC_FILES_H

#include <stddef.h>
#include <stdint.h>

/* The whole file in malloc'ed memory of exactly its size (1 byte for an empty one), so that a sanitizer sees
   a read beyond it. NULL: cannot be read. */
uint8_t *kp_spec_file_read(const char *path, size_t *size);

/* The names of the directory's *.json, sorted, in malloc'ed memory; how many, or -1. */
long kp_spec_files_list(const char *directory, char ***names);
void kp_spec_files_list_free(char **names, long count);

#endif
