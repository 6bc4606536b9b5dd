/* Suites in the tar archive (ustar) "ui/suite.tar" of the startup message. The archive is the test's own and as
   good as the program; yet every size is checked, so that a damaged one is an error and not a riddle. */
#include "runtime/test/spec/files.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/program/startup.h"

enum {
    BLOCK = 512,
    NAME_SIZE = 100,
    SIZE_AT = 124,
    SIZE_DIGITS = 11,
    TYPE_AT = 156,
};

typedef struct member {
    char name[NAME_SIZE + 1];
    const uint8_t *bytes;
    size_t size;
} member_t;

static member_t *members; /* by name */
static size_t member_count;

static int compare(const void *a, const void *b)
{
    return strcmp(((const member_t *)a)->name, ((const member_t *)b)->name);
}

/* Walks the archive; with `into`, fills it. How many files; -1: damaged. */
static long walk(const uint8_t *archive, size_t size, member_t *into)
{
    long count = 0;
    for (size_t at = 0; at + BLOCK <= size && archive[at];) {
        const uint8_t *header = archive + at;
        size_t length = 0;
        for (int i = 0; i < SIZE_DIGITS; i++) {
            if (header[SIZE_AT + i] < '0' || header[SIZE_AT + i] > '7')
                return -1;
            length = length * 8 + (size_t)(header[SIZE_AT + i] - '0');
        }
        at += BLOCK;
        if (length > size - at)
            return -1;
        if (header[TYPE_AT] == '0') {
            if (into) {
                memcpy(into[count].name, header, NAME_SIZE);
                into[count].bytes = archive + at;
                into[count].size = length;
            }
            count++;
        }
        at += (length + BLOCK - 1) / BLOCK * BLOCK;
    }
    return count;
}

static bool load(void)
{
    static bool loaded;
    if (loaded)
        return members != NULL;
    loaded = true;
    size_t size;
    const uint8_t *archive = kp_startup_file("ui/suite.tar", &size);
    long count = archive ? walk(archive, size, NULL) : -1;
    if (count <= 0 || !(members = calloc((size_t)count, sizeof *members)))
        return false;
    member_count = (size_t)walk(archive, size, members);
    qsort(members, member_count, sizeof *members, compare);
    return true;
}

uint8_t *kp_spec_file_read(const char *path, size_t *size)
{
    member_t wanted = {.bytes = NULL};
    if (!load() || strlen(path) > NAME_SIZE)
        return NULL;
    memcpy(wanted.name, path, strlen(path));
    const member_t *found = bsearch(&wanted, members, member_count, sizeof *members, compare);
    uint8_t *bytes = found ? malloc(found->size + (found->size == 0)) : NULL;
    if (bytes) {
        memcpy(bytes, found->bytes, found->size);
        *size = found->size;
    }
    return bytes;
}

long kp_spec_files_list(const char *directory, char ***names)
{
    size_t length = strlen(directory), count = 0;
    *names = load() ? calloc(member_count + 1, sizeof **names) : NULL;
    for (size_t i = 0; *names && i < member_count; i++) {
        char *name = members[i].name, *dot = strrchr(name, '.');
        if (strncmp(name, directory, length) == 0 && name[length] == '/' && dot &&
            strcmp(dot, ".json") == 0)
            (*names)[count++] = name + length + 1;
    }
    return *names ? (long)count : -1;
}

void kp_spec_files_list_free(char **names, long count)
{
    (void)count; /* the names are the archive's */
    free(names);
}
