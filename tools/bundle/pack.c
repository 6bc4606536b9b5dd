#include "tools/bundle/pack.h"

#include "tools/bundle/squeeze.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int kp_bundle_input_parse(char *text, kp_bundle_input_t *input)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return 0;
    *equals = '\0';
    size_t length = (size_t)(equals - text);
    /* One byte stays for the NUL: readers may treat the name as a C string. */
    if (length >= KP_BUNDLE_NAME_MAX || text[0] == '/' || strstr(text, "//"))
        return 0;
    input->name = text;
    input->path = equals + 1;
    input->is_packed = 0;
    return 1;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const kp_bundle_input_t *)a)->name, ((const kp_bundle_input_t *)b)->name);
}

static uint64_t round_to_page(uint64_t value)
{
    return (value + KP_PAGE_SIZE - 1) / KP_PAGE_SIZE * KP_PAGE_SIZE;
}

static int write_zeroes(FILE *out, uint64_t count)
{
    static const char zeroes[KP_PAGE_SIZE];
    return count == 0 || fwrite(zeroes, (size_t)count, 1, out) == 1;
}

/* Copies exactly size bytes; false when the file is shorter or something fails. */
static int copy_file(FILE *out, const char *path, uint64_t size)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return 0;
    char buffer[65536];
    uint64_t left = size;
    while (left > 0) {
        size_t want = left < sizeof buffer ? (size_t)left : sizeof buffer;
        size_t got = fread(buffer, 1, want, in);
        if (got != want || fwrite(buffer, 1, got, out) != got)
            break; /* shorter than planned, or an error */
        left -= got;
    }
    fclose(in);
    return left == 0;
}

/* Reads and packs a file of exactly size bytes; NULL: that failed. */
static uint8_t *squeeze_file(const char *path, uint64_t size, size_t *packed_size)
{
    FILE *in = fopen(path, "rb");
    uint8_t *bytes = in ? malloc((size_t)size + 1) : NULL, *packed = NULL;
    if (bytes && fread(bytes, 1, (size_t)size, in) == size)
        packed = kp_bundle_squeeze(bytes, (size_t)size, packed_size);
    free(bytes);
    if (in)
        fclose(in);
    return packed;
}

/* Fills the entries and the total size; packed: the data of those that are. */
static kp_status_t plan(kp_bundle_input_t *inputs, size_t count, kp_bundle_header_t *header,
                        kp_bundle_entry_t *entries, uint8_t **packed, char *error,
                        size_t error_size)
{
    if (count)
        qsort(inputs, count, sizeof *inputs, compare_names);
    uint64_t at = round_to_page(sizeof *header + count * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        if (i > 0 && strcmp(inputs[i - 1].name, inputs[i].name) == 0) {
            snprintf(error, error_size, "%s is given twice", inputs[i].name);
            return KP_ERR_ALREADY_EXISTS;
        }
        bool missing = stat(inputs[i].path, &info) != 0;
        if (missing || !S_ISREG(info.st_mode)) {
            snprintf(error, error_size, "%s: %s", inputs[i].path,
                     missing ? strerror(errno) : "not a regular file");
            return KP_ERR_NOT_FOUND;
        }
        memcpy(entries[i].name, inputs[i].name, strlen(inputs[i].name));
        entries[i].offset = at;
        entries[i].size = (uint64_t)info.st_size;
        if (inputs[i].is_packed && info.st_size > 0) {
            size_t size = 0;
            packed[i] = squeeze_file(inputs[i].path, entries[i].size, &size);
            if (!packed[i]) {
                snprintf(error, error_size, "%s: cannot read and pack it", inputs[i].path);
                return KP_ERR_IO;
            }
            entries[i].packed_size = size;
        }
        at = round_to_page(at + (packed[i] ? entries[i].packed_size : entries[i].size));
    }
    *header = (kp_bundle_header_t){
        .magic = KP_BUNDLE_MAGIC, .entry_count = (uint32_t)count, .total_size = at};
    return KP_OK;
}

static int write_archive(FILE *out, const kp_bundle_header_t *header,
                         const kp_bundle_entry_t *entries, const kp_bundle_input_t *inputs,
                         uint8_t *const *packed, char *error, size_t error_size)
{
    size_t count = header->entry_count;
    uint64_t used = sizeof *header + count * sizeof *entries;
    int good = fwrite(header, sizeof *header, 1, out) == 1;
    good = good && (count == 0 || fwrite(entries, sizeof *entries, count, out) == count);
    good = good && write_zeroes(out, round_to_page(used) - used);
    for (size_t i = 0; good && i < count; i++) {
        uint64_t size = packed[i] ? entries[i].packed_size : entries[i].size;
        if (packed[i] ? fwrite(packed[i], (size_t)size, 1, out) != 1
                      : !copy_file(out, inputs[i].path, size)) {
            snprintf(error, error_size, "%s: cannot copy it into the archive", inputs[i].path);
            return 0;
        }
        good = write_zeroes(out, round_to_page(size) - size);
    }
    if (!good)
        snprintf(error, error_size, "cannot write the archive: %s", strerror(errno));
    return good;
}

kp_status_t kp_bundle_pack(const char *out_path, kp_bundle_input_t *inputs, size_t count,
                           char *error, size_t error_size)
{
    kp_bundle_header_t header;
    kp_bundle_entry_t *entries = calloc(count ? count : 1, sizeof *entries);
    uint8_t **packed = calloc(count ? count : 1, sizeof *packed);
    size_t temporary_size = strlen(out_path) + 32;
    char *temporary = malloc(temporary_size);
    kp_status_t status = KP_ERR_NO_MEMORY;
    snprintf(error, error_size, "out of memory");
    if (entries && packed && temporary)
        status = plan(inputs, count, &header, entries, packed, error, error_size);
    if (status == KP_OK) {
        snprintf(temporary, temporary_size, "%s.tmp%ld", out_path, (long)getpid());
        FILE *out = fopen(temporary, "wb");
        status = out ? KP_OK : KP_ERR_IO;
        if (!out)
            snprintf(error, error_size, "%s: %s", temporary, strerror(errno));
        if (out && !write_archive(out, &header, entries, inputs, packed, error, error_size))
            status = KP_ERR_IO;
        if (out && fclose(out) != 0 && status == KP_OK) {
            snprintf(error, error_size, "%s: %s", temporary, strerror(errno));
            status = KP_ERR_IO;
        }
        if (status == KP_OK && rename(temporary, out_path) != 0) {
            snprintf(error, error_size, "%s: %s", out_path, strerror(errno));
            status = KP_ERR_IO;
        }
        if (status != KP_OK && out)
            unlink(temporary);
    }
    for (size_t i = 0; packed && i < count; i++)
        free(packed[i]);
    free(packed);
    free(temporary);
    free(entries);
    return status;
}
