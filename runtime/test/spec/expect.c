#include "runtime/test/spec/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add(kp_spec_expectations_t *list, const char *line)
{
    kp_spec_expectation_t item = {.line = -1};
    char where[16];
    if (sscanf(line, "%95[^: ]:%15s", item.name, where) != 2)
        return false;
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
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "cannot read %s\n", path);
        return false;
    }
    char line[512];
    bool good = true;
    while (good && fgets(line, sizeof(line), file)) {
        if (line[0] == '#' || line[strspn(line, " \t\n")] == '\0')
            continue;
        good = add(list, line);
        if (!good)
            fprintf(stderr, "%s: bad line: %s", path, line);
    }
    fclose(file);
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
