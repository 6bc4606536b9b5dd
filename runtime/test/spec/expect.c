#include "runtime/test/spec/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/test/spec/files.h"

static bool add(kp_spec_expectations_t *list, const char *line)
{
    kp_spec_expectation_t item = {.line = -1};
    const char *colon = line + strcspn(line, ": ");
    size_t length = (size_t)(colon - line), digits = strcspn(colon, " ");
    char where[16];
    if (*colon != ':' || length == 0 || length >= sizeof item.name || digits < 2 ||
        digits > sizeof where)
        return false;
    memcpy(item.name, line, length);
    memcpy(where, colon + 1, digits - 1);
    where[digits - 1] = '\0';
    if (strcmp(where, "*") != 0) {
        char *end;
        item.line = strtol(where, &end, 10);
        if (*end || item.line <= 0)
            return false;
    }
    kp_spec_expectation_t *grown = realloc(list->items, (list->count + 1) * sizeof(*list->items));
    if (!grown)
        return false;
    list->items = grown;
    list->items[list->count++] = item;
    return true;
}

bool kp_spec_expectations_read(kp_spec_expectations_t *list, const char *path)
{
    *list = (kp_spec_expectations_t){0};
    if (!path)
        return true;
    size_t size;
    char *text = (char *)kp_spec_file_read(path, &size);
    if (!text) {
        fprintf(stderr, "cannot read %s\n", path);
        return false;
    }
    bool good = true;
    for (size_t at = 0, next; good && at < size; at = next) {
        char line[512];
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        next = at + length + 1;
        good = length < sizeof line;
        if (good) {
            memcpy(line, text + at, length);
            line[length] = '\0';
            good = line[0] == '#' || line[strspn(line, " \t")] == '\0' || add(list, line);
        }
        if (!good)
            fprintf(stderr, "%s: bad line: %.*s\n", path, (int)length, text + at);
    }
    free(text);
    return good;
}

void kp_spec_expectations_clear(kp_spec_expectations_t *list)
{
    free(list->items);
    *list = (kp_spec_expectations_t){0};
}

bool kp_spec_expectations_failed(kp_spec_expectations_t *list, const char *name, long line)
{
    for (size_t i = 0; i < list->count; i++) {
        kp_spec_expectation_t *item = &list->items[i];
        if (strcmp(item->name, name) == 0 && (item->line == -1 || item->line == line)) {
            item->failed++;
            return true;
        }
    }
    return false;
}
