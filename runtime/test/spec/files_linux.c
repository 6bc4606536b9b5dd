#include "runtime/test/spec/files.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t *kp_spec_file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    uint8_t *bytes = NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long end = ftell(file);
        rewind(file);
        bytes = end >= 0 ? malloc((size_t)end + (end == 0)) : NULL;
        *size = (size_t)end;
        if (bytes && fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

static int is_json(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

long kp_spec_files_list(const char *directory, char ***names)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_json, alphasort);
    *names = count >= 0 ? calloc((size_t)count + 1, sizeof **names) : NULL;
    bool good = *names != NULL;
    for (int i = 0; i < count; i++) {
        if (good)
            good = ((*names)[i] = strdup(entries[i]->d_name)) != NULL;
        free(entries[i]);
    }
    free(entries);
    if (good)
        return count;
    kp_spec_files_list_free(*names, count);
    return -1;
}

void kp_spec_files_list_free(char **names, long count)
{
    for (long i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}
