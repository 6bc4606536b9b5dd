/* wasm_info MODULE.wasm: checks that a program's module keeps the rules (the only import is the
   function kpio.call; one 32-bit memory of its own, which programs with threads import too; exports _start)
   and prints, as C defines, what
   runtime/image/module.c must know. Exit status 1 and one line on stderr otherwise. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/reader.h"
#include "abi/types.h"

enum { SECTION_IMPORT = 2, SECTION_TABLE = 4, SECTION_MEMORY = 5, SECTION_EXPORT = 7 };
enum {
    KIND_FUNCTION = 0,
    KIND_MEMORY = 2,
    LIMITS_MAXIMUM = 1,
    TYPE_FUNCREF = 0x70,
    PAGES_MAX = 65536
};

static const char *path;

typedef struct memory {
    uint32_t count, initial, maximum;
    bool is_imported; /* by programs with threads: all their instances share it */
} memory_t;

_Noreturn static void fail(const char *why, const char *detail)
{
    fprintf(stderr, "%s: %s%s\n", path, why, detail);
    exit(1);
}

static uint32_t read_leb(kp_reader_t *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = kp_reader_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return (uint32_t)value;
}

/* A name, cut to the buffer's size: only for comparison and messages. */
static void read_name(kp_reader_t *reader, char *to, size_t capacity)
{
    uint32_t size = read_leb(reader);
    const uint8_t *bytes = kp_reader_borrow(reader, size);
    snprintf(to, capacity, "%.*s", bytes ? (int)size : 0, bytes ? (const char *)bytes : "");
}

static void read_limits(kp_reader_t *reader, uint32_t *minimum, uint32_t *maximum, uint32_t none)
{
    uint8_t flags = kp_reader_u8(reader);
    if (flags & ~LIMITS_MAXIMUM)
        fail("shared or 64-bit limits", "");
    *minimum = read_leb(reader);
    *maximum = flags & LIMITS_MAXIMUM ? read_leb(reader) : none;
}

/* What kp.h calls, and the memory of a program with threads. */
static void check_imports(kp_reader_t *reader, memory_t *memory)
{
    uint32_t count = read_leb(reader);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        char module[128], name[128], both[260];
        read_name(reader, module, sizeof(module));
        read_name(reader, name, sizeof(name));
        snprintf(both, sizeof(both), "%s.%s", module, name);
        uint8_t kind = kp_reader_u8(reader);
        if (kind == KIND_FUNCTION && strcmp(both, "kpio.call") == 0) {
            (void)read_leb(reader); /* type: wasm-ld checked it against kp.h */
        } else if (kind == KIND_MEMORY && strcmp(both, "env.memory") == 0) {
            memory->count++;
            memory->is_imported = true;
            read_limits(reader, &memory->initial, &memory->maximum, PAGES_MAX);
        } else {
            fail("a program may import only kpio.call, not ", both);
        }
    }
}

static uint64_t read_tables(kp_reader_t *reader)
{
    uint64_t elements = 0;
    uint32_t count = read_leb(reader);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        uint32_t minimum, maximum;
        if (kp_reader_u8(reader) != TYPE_FUNCREF)
            fail("a table of something else than functions", "");
        read_limits(reader, &minimum, &maximum, UINT32_MAX);
        if (maximum == UINT32_MAX)
            fail("a table without maximum (link without --growable-table)", "");
        elements += maximum;
    }
    return elements;
}

static void print_info(kp_reader_t *reader)
{
    memory_t memory = {0};
    uint64_t elements = 0;
    bool has_start = false, has_thread = false;
    while (kp_reader_left(reader) > 0) {
        uint8_t id = kp_reader_u8(reader);
        uint32_t size = read_leb(reader);
        const uint8_t *bytes = kp_reader_borrow(reader, size);
        kp_reader_t section = kp_reader_init(bytes, bytes ? size : 0);
        if (id == SECTION_IMPORT) {
            check_imports(&section, &memory);
        } else if (id == SECTION_TABLE) {
            elements = read_tables(&section);
        } else if (id == SECTION_MEMORY) {
            uint32_t count = read_leb(&section);
            if (count > 0)
                read_limits(&section, &memory.initial, &memory.maximum, PAGES_MAX);
            memory.count += count;
        } else if (id == SECTION_EXPORT) {
            uint32_t count = read_leb(&section);
            for (uint32_t i = 0; i < count && !section.failed; i++) {
                char name[128];
                read_name(&section, name, sizeof(name));
                bool is_function = kp_reader_u8(&section) == KIND_FUNCTION;
                has_start |= is_function && strcmp(name, "_start") == 0;
                has_thread |= is_function && strcmp(name, "kp_thread_entry") == 0;
                (void)read_leb(&section);
            }
        }
        if (section.failed)
            fail("cut section", "");
    }
    if (reader->failed)
        fail("cut module", "");
    if (memory.count != 1 || memory.initial > memory.maximum || memory.maximum > PAGES_MAX)
        fail("not exactly one memory of sane size", "");
    if (!has_start)
        fail("exports no _start", "");
    if (has_thread != memory.is_imported)
        fail("programs with threads, and only they, import memory and export kp_thread_entry", "");
    printf("#define KP_MODULE_INITIAL_PAGES %" PRIu32 "u\n", memory.initial);
    printf("#define KP_MODULE_MAXIMUM_PAGES %" PRIu32 "u\n", memory.maximum);
    printf("#define KP_MODULE_TABLE_ELEMENTS %" PRIu64 "u\n", elements ? elements : 1);
    printf("#define KP_MODULE_THREADS %d\n", memory.is_imported);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: wasm_info MODULE.wasm\n");
        return 2;
    }
    path = argv[1];
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        fail("cannot read", "");
    long size = ftell(file);
    uint8_t *bytes = size > 0 && fseek(file, 0, SEEK_SET) == 0 ? malloc((size_t)size) : NULL;
    if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size)
        fail("cannot read", "");
    fclose(file);
    kp_reader_t reader = kp_reader_init(bytes, (size_t)size);
    uint32_t magic = kp_reader_u32(&reader), version = kp_reader_u32(&reader);
    if (magic != 0x6d736100 || version != 1)
        fail("not a WebAssembly 1 module", "");
    print_info(&reader);
    free(bytes);
    return 0;
}
