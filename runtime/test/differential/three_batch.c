#include "runtime/test/differential/three_batch.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/compile/test/compiled_tier.h"
#include "runtime/interpret/test/interpreted_tier.h"
#include "runtime/test/differential/generator.h"
#include "runtime/test/differential/wasm2c_engine.h"
#include "runtime/test/differential/wasm2c_glue.h"
#include "runtime/test/differential/wasm2c_tcc.h"
#include "runtime/wasm/heap.h"

#define CHUNK 100 /* modules that tcc gets at once */

typedef struct item {
    uint64_t number;
    uint8_t *bytes;
    size_t size;
    kp_wasm_module_t *module;
    uint32_t *opcodes;
    kp_wasm2c_text_t text;
    char *glue;
    bool in; /* still in the batch */
} item_t;

void kp_three_list_add(kp_three_list_t *list, uint64_t number)
{
    if (list->count < KP_THREE_LIST)
        list->numbers[list->count] = number;
    list->count++;
}

static _Noreturn void fail(const char *what, uint64_t number)
{
    printf("# module %" PRIu64 ": %s\n", number, what);
    fflush(stdout);
    abort();
}

/* ---- C ---- */

char *kp_three_head(kp_wasm2c_server_t *server, kp_wasm_features_t features, const char *include)
{
    static const char types[] = "#ifndef WASM_RT_CORE_TYPES_DEFINED\n", end[] = "\n#endif\n";
    char *best = NULL;
    size_t best_size = 0;
    /* wasm2c writes only what a module needs: the head of one that needs most. */
    for (uint64_t number = 0; number < 100; number++) {
        uint8_t *bytes;
        kp_wasm2c_text_t text;
        size_t size = kp_generate(number, features, &bytes);
        if (size && kp_wasm2c_translate(server, number, bytes, size, &text)) {
            const char *begin = strstr(text.header, types);
            const char *stop = begin ? strstr(begin, end) : NULL;
            if (stop && strlen(text.head) > best_size) {
                best_size = strlen(text.head);
                free(best);
                if (asprintf(&best, "%.*s%s", (int)(stop + sizeof end - 1 - begin), begin,
                             kp_wasm2c_drop_includes(text.head)) < 0)
                    best = NULL;
            }
            kp_wasm2c_text_free(&text);
        }
        free(bytes);
    }
    char *head = best ? kp_wasm2c_unit_head(include, best) : NULL;
    if (!head)
        printf("# wasm2c does not run, or %s/wasm-rt.h cannot be read\n", include);
    free(best);
    return head;
}

static void write_item(FILE *out, const item_t *item)
{
    /* wasm2c's names that are the same in each module. */
    static const char *const shared[] = {"init_globals", "init_memories", "init_data_instances",
                                         "init_tables", "init_elem_instances"};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        fprintf(out, "#undef %s\n#define %s m%" PRIu64 "_%s\n", shared[i], shared[i], item->number,
                shared[i]);
    fprintf(out, "#line 1 \"module-%" PRIu64 "\"\n%s\n%s\n%s\n", item->number, item->text.header,
            item->text.own, item->glue);
}

static char *write_unit(const char *head, const item_t *items, uint64_t count)
{
    static const char entry[] = "/* entry: ";
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        fail("out of memory", 0);
    fputs(head, out);
    for (uint64_t i = 0; i < count; i++)
        if (items[i].in)
            write_item(out, &items[i]);
    fprintf(out, "const kp_wasm2c_module_t kp_wasm2c_modules[] = {\n");
    uint64_t used = 0;
    for (uint64_t i = 0; i < count; i++) {
        const char *begin = items[i].in ? strstr(items[i].glue, entry) : NULL;
        if (!begin)
            continue;
        begin += sizeof entry - 1;
        fprintf(out, "%.*s\n", (int)strcspn(begin, "*"), begin);
        used++;
    }
    fprintf(out, "{0}};\nconst uint64_t kp_wasm2c_module_count = %" PRIu64 ";\n", used);
    if (fclose(out) != 0)
        fail("out of memory", 0);
    return text;
}

/* ---- the modules ---- */

static void make_item(kp_wasm2c_server_t *server, kp_wasm_features_t features, item_t *item,
                      kp_three_result_t *result)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    options.features = features & KP_WASM_FEATURES_ALL;
    item->opcodes = calloc(KP_WASM_OPCODE_COUNT, sizeof *item->opcodes);
    item->size = item->opcodes
                     ? kp_generate_counted(item->number, features, &item->bytes, item->opcodes)
                     : 0;
    if (!item->size ||
        kp_wasm_module_decode(item->bytes, item->size, &options, &item->module, NULL) != KP_OK)
        fail("cannot generate it", item->number);
    item->in = kp_wasm2c_translate(server, item->number, item->bytes, item->size, &item->text);
    result->refused += !item->in;
    size_t size;
    FILE *out = item->in ? open_memstream(&item->glue, &size) : NULL;
    if (!item->in)
        return;
    bool good = out && kp_wasm2c_glue_write(out, item->number, item->module);
    if (!good || fclose(out) != 0)
        fail("out of memory", item->number);
}

/* A module at which tcc stops is taken out. False: none is named, or nothing is left. */
static bool drop_named(const char *error, item_t *items, uint64_t count, kp_three_result_t *result)
{
    uint64_t number;
    const char *name = strstr(error, "module-");
    if (!name || sscanf(name, "module-%" SCNu64 ":", &number) != 1)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!items[i].in || items[i].number != number)
            continue;
        printf("# tcc: %s\n", error);
        items[i].in = false;
        kp_three_list_add(&result->uncompilable, number);
        return true;
    }
    return false;
}

static void compile(const char *head, item_t *items, uint64_t count, kp_wasm2c_unit_t *unit,
                    kp_three_result_t *result)
{
    for (;;) {
        char *source = write_unit(head, items, count);
        bool good = kp_wasm2c_unit_compile(unit, source);
        const char *path = good ? NULL : getenv("KPIO_DIFFERENTIAL_SOURCE");
        FILE *file = path ? fopen(path, "w") : NULL;
        if (file) {
            fputs(source, file);
            fclose(file);
        }
        free(source);
        if (good)
            return;
        if (!drop_named(unit->error, items, count, result))
            fail(unit->error, items[0].number);
    }
}

static void *open_interpreted(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_interpreted, features);
}

static void *open_guarded(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_compiled, features);
}

static void *open_checked(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_compiled_checked, features);
}

static void compare(kp_wasm_features_t features, const item_t *items, uint64_t count,
                    kp_three_result_t *result)
{
    const kp_spec_engine_t interpreted = kp_spec_store_engine("interpret", open_interpreted);
    const kp_spec_engine_t guarded = kp_spec_store_engine("compile, guarded", open_guarded);
    const kp_spec_engine_t checked = kp_spec_store_engine("compile, checked", open_checked);
    const kp_spec_engine_t *engines[] = {&interpreted, &guarded, &kp_wasm2c_engine};
    kp_differential_t state = {
        .engines = engines,
        .engine_count = 3,
        .features = features,
        .options = {.trap_class = kp_wasm2c_trap_class},
        .counts = result->counts,
    };
    for (uint64_t i = 0; i < count; i++) {
        if (!items[i].in)
            continue;
        /* The compiler's two forms take turns. */
        engines[1] = items[i].number & 1 ? &checked : &guarded;
        if (!kp_differential_module(&state, items[i].number, items[i].bytes, items[i].size))
            kp_three_list_add(&result->differ, items[i].number);
        kp_census_add(&result->census, items[i].module, items[i].opcodes);
    }
    result->counts = state.counts;
}

static void run_chunk(kp_wasm2c_server_t *server, const char *head, kp_wasm_features_t features,
                      uint64_t first, uint64_t count, kp_three_result_t *result)
{
    item_t items[CHUNK] = {0};
    kp_wasm2c_unit_t unit = {0};
    for (uint64_t i = 0; i < count; i++) {
        items[i].number = first + i;
        make_item(server, features, &items[i], result);
    }
    compile(head, items, count, &unit, result);
    kp_wasm2c_engine_use(&unit.batch);
    compare(features, items, count, result);
    kp_wasm2c_unit_free(&unit);
    for (uint64_t i = 0; i < count; i++) {
        kp_wasm2c_text_free(&items[i].text);
        kp_wasm_module_destroy(items[i].module);
        free(items[i].bytes);
        free(items[i].opcodes);
        free(items[i].glue);
    }
}

void kp_three_batch(kp_wasm2c_server_t *server, const char *head, kp_wasm_features_t features,
                    uint64_t first, uint64_t count, kp_three_result_t *result)
{
    /* libtcc and the modules' memories come and go by the megabyte: not each time from the kernel. */
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 512 << 20);
    for (uint64_t at = 0; at < count; at += CHUNK)
        run_chunk(server, head, features, first + at, count - at < CHUNK ? count - at : CHUNK,
                  result);
    kp_wasm2c_server_stop(server);
    result->finished = true;
}
