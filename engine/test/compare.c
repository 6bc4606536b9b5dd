/* engine-compare REFERENCE BOXES: how many of the reference's boxes (../shared/corpora/pages/ref/NAME.json)
   lie where `kpio dump --format boxes` or engine-tool has them. Prints each difference (-v) and the
   score; exits 0 when at least --least PERCENT agree (default 0).
     --tolerance PX (default 1) */
#include <math.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* malloc'ed, with a NUL behind it; NULL when the file cannot be read. */
static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t capacity = 0;
    *size = 0;
    while (file && !feof(file) && !ferror(file)) {
        capacity = capacity ? capacity * 2 : 65536;
        char *grown = realloc(text, capacity + 1);
        if (!grown)
            break;
        text = grown;
        *size += fread(text + *size, 1, capacity - *size, file);
    }
    if (text)
        text[*size] = 0;
    if (file)
        fclose(file);
    return text;
}

typedef struct box {
    const char *path; /* in the text, up to the closing quote */
    size_t size;
    double rect[4];
} box_t;

/* Both files are lists of objects with a "path" and four numbers after it; the reference calls the
   last two w and h. Nothing else of JSON is needed. */
static const char *after(const char *text, const char *end, const char *key)
{
    size_t size = strlen(key);
    for (; text + size < end; text++) {
        if (memcmp(text, key, size) == 0)
            return text + size;
    }
    return NULL;
}

static size_t read_boxes(char *text, size_t size, bool reference, box_t **out)
{
    static const char *const names[2][4] = {{"\"x\":", "\"y\":", "\"width\":", "\"height\":"},
                                            {"\"x\":", "\"y\":", "\"w\":", "\"h\":"}};
    size_t count = 0, capacity = 0;
    const char *end = text + size, *at = text;
    *out = NULL;
    while ((at = after(at, end, "\"path\":"))) {
        const char *open = memchr(at, '"', (size_t)(end - at));
        const char *close = open ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
        const char *object_end = close ? memchr(close, '}', (size_t)(end - close)) : NULL;
        if (!object_end)
            break;
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            box_t *grown = realloc(*out, capacity * sizeof *grown);
            if (!grown)
                break;
            *out = grown;
        }
        box_t *box = &(*out)[count++];
        *box = (box_t){.path = open + 1, .size = (size_t)(close - open - 1)};
        for (int i = 0; i < 4; i++) {
            const char *number = after(close, object_end, names[reference][i]);
            box->rect[i] = number ? strtod(number, NULL) : 0;
        }
        at = object_end;
    }
    return count;
}

static const box_t *find(const box_t *boxes, size_t count, const box_t *like)
{
    for (size_t i = 0; i < count; i++) {
        if (boxes[i].size == like->size && memcmp(boxes[i].path, like->path, like->size) == 0)
            return &boxes[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *files[2];
    int file_count = 0;
    bool verbose = false;
    double tolerance = 1, least = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--tolerance") == 0 && i + 1 < argc)
            tolerance = atof(argv[++i]);
        else if (strcmp(argv[i], "--least") == 0 && i + 1 < argc)
            least = atof(argv[++i]);
        else if (file_count < 2)
            files[file_count++] = argv[i];
    }
    char *text[2] = {NULL, NULL};
    size_t size[2], count[2];
    box_t *boxes[2];
    if (file_count != 2) {
        fprintf(stderr, "usage: engine-compare [-v] [--tolerance PX] [--least PERCENT] REFERENCE "
                        "BOXES\n");
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        text[i] = read_file(files[i], &size[i]);
        if (!text[i]) {
            perror(files[i]);
            return 2;
        }
        count[i] = read_boxes(text[i], size[i], i == 0, &boxes[i]);
    }
    size_t agree = 0;
    for (size_t i = 0; i < count[0]; i++) {
        const box_t *want = &boxes[0][i], *have = find(boxes[1], count[1], want);
        double worst = have ? 0 : INFINITY;
        for (int k = 0; have && k < 4; k++)
            worst = fmax(worst, fabs(want->rect[k] - have->rect[k]));
        if (!have && want->rect[2] == 0 && want->rect[3] == 0)
            worst = 0; /* nothing to see in both */
        if (worst <= tolerance) {
            agree++;
        } else if (verbose) {
            printf("%.*s\n  expected %g,%g %gx%g", (int)want->size, want->path, want->rect[0],
                   want->rect[1], want->rect[2], want->rect[3]);
            if (have)
                printf(", is %g,%g %gx%g\n", have->rect[0], have->rect[1], have->rect[2],
                       have->rect[3]);
            else
                printf(", has no box\n");
        }
    }
    double percent = count[0] ? 100.0 * (double)agree / (double)count[0] : 0;
    printf("%zu of %zu boxes agree (%.0f%%, tolerance %g px)\n", agree, count[0], percent,
           tolerance);
    for (int i = 0; i < 2; i++) {
        free(boxes[i]);
        free(text[i]);
    }
    return percent >= least && count[0] ? 0 : 1;
}
