/* bundle OUT [NAME=PATH | @LIST | -z PREFIX]...: puts files into a boot archive. @LIST names a text file
   with one NAME=PATH a line. -z: files whose names begin so are packed. Exit: 0 done, 1 failed, 2 wrong
   usage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bundle/pack.h"

typedef struct inputs {
    kp_bundle_input_t *items;
    size_t count, capacity;
} inputs_t;

/* Owns a copy of text until the program ends. */
static int add_input(inputs_t *inputs, const char *text)
{
    if (inputs->count == inputs->capacity) {
        size_t capacity = inputs->capacity ? inputs->capacity * 2 : 64;
        kp_bundle_input_t *items = realloc(inputs->items, capacity * sizeof *items);
        if (!items)
            return 0;
        inputs->items = items;
        inputs->capacity = capacity;
    }
    char *copy = strdup(text);
    if (!copy || !kp_bundle_input_parse(copy, &inputs->items[inputs->count])) {
        fprintf(stderr, "bundle: \"%s\" is not NAME=PATH\n", text);
        free(copy);
        return 0;
    }
    inputs->count++;
    return 1;
}

static int add_list(inputs_t *inputs, const char *path)
{
    FILE *list = fopen(path, "r");
    if (!list) {
        fprintf(stderr, "bundle: cannot open %s\n", path);
        return 0;
    }
    char *line = NULL;
    size_t size = 0;
    int good = 1;
    while (good && getline(&line, &size, list) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0])
            good = add_input(inputs, line);
    }
    free(line);
    fclose(list);
    return good;
}

static int usage(void)
{
    fprintf(stderr, "usage: bundle OUT [NAME=PATH | @LIST | -z PREFIX]...\n");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-')
        return usage();
    inputs_t inputs = {0};
    int good = 1;
    for (int i = 2; good && i < argc; i++) {
        if (strcmp(argv[i], "-z") == 0) {
            if (++i == argc)
                return usage();
        } else {
            good = argv[i][0] == '@' ? add_list(&inputs, argv[i] + 1) : add_input(&inputs, argv[i]);
        }
    }
    for (int i = 2; good && i < argc; i++) {
        if (strcmp(argv[i], "-z") != 0)
            continue;
        i++;
        for (size_t k = 0; k < inputs.count; k++)
            inputs.items[k].is_packed |=
                strncmp(inputs.items[k].name, argv[i], strlen(argv[i])) == 0;
    }
    char error[512];
    kp_status_t status = KP_OK;
    if (good)
        status = kp_bundle_pack(argv[1], inputs.items, inputs.count, error, sizeof error);
    if (status != KP_OK)
        fprintf(stderr, "bundle: %s\n", error);
    for (size_t i = 0; i < inputs.count; i++)
        free((char *)inputs.items[i].name);
    free(inputs.items);
    return !good ? 2 : status == KP_OK ? 0 : 1;
}
