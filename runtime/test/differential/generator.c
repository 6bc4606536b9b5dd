/* The sections of a generated module. */
#include "runtime/test/differential/generator.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/test/differential/internal.h"

uint64_t generate_random(generator_t *generator)
{
    /* splitmix64 */
    uint64_t z = generator->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- bytes ---- */

void put_data(bytes_t *bytes, const void *data, size_t size)
{
    if (bytes->size + size > bytes->capacity) {
        size_t capacity = (bytes->size + size) * 2 + 64;
        uint8_t *grown = bytes->failed ? NULL : realloc(bytes->data, capacity);
        if (!grown) {
            bytes->failed = true;
            return;
        }
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

void put_byte(bytes_t *bytes, unsigned byte)
{
    uint8_t one = (uint8_t)byte;
    put_data(bytes, &one, 1);
}

void put_u(bytes_t *bytes, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(bytes, (unsigned)(value & 0x7f) | 0x80);
    put_byte(bytes, (unsigned)value);
}

void put_s(bytes_t *bytes, int64_t value)
{
    for (;;) {
        unsigned byte = (unsigned)(value & 0x7f);
        value >>= 7;
        if ((value == 0 && !(byte & 0x40)) || (value == -1 && (byte & 0x40))) {
            put_byte(bytes, byte);
            return;
        }
        put_byte(bytes, byte | 0x80);
    }
}

void put_name(bytes_t *bytes, const char *name)
{
    put_u(bytes, strlen(name));
    put_data(bytes, name, strlen(name));
}

void put_sized(bytes_t *bytes, bytes_t *part)
{
    put_u(bytes, part->size);
    put_data(bytes, part->data, part->size);
    bytes->failed |= part->failed;
    part->size = 0;
}

static void put_section(bytes_t *module, unsigned id, bytes_t *part)
{
    put_byte(module, id);
    put_sized(module, part);
}

/* ---- choices ---- */

kp_wasm_type_t generate_type(generator_t *generator, bool references)
{
    static const kp_wasm_type_t types[] = {
        KP_WASM_TYPE_I32, KP_WASM_TYPE_I32,  KP_WASM_TYPE_I64,     KP_WASM_TYPE_F32,
        KP_WASM_TYPE_F64, KP_WASM_TYPE_V128, KP_WASM_TYPE_FUNCREF, KP_WASM_TYPE_EXTERNREF,
    };
    for (;;) {
        kp_wasm_type_t type = types[below(generator, references ? 8 : 6)];
        if (type == KP_WASM_TYPE_V128 && !has(generator, KP_WASM_FEATURE_SIMD))
            continue;
        if (kp_wasm_type_is_reference(type) && !has(generator, KP_WASM_FEATURE_REFERENCE_TYPES))
            continue;
        return type;
    }
}

static void choose_row(generator_t *generator, row_t *row, unsigned most, bool references)
{
    row->count = below(generator, most + 1);
    for (unsigned i = 0; i < row->count; i++)
        row->types[i] = generate_type(generator, references);
}

/* Types 0 and 1 are those of "reset" and "checksum"; 2 is a tag's, 3 that of a block which catches its
   values. */
static void choose(generator_t *generator)
{
    unsigned most_results = has(generator, KP_WASM_FEATURE_MULTI_VALUE) ? MOST_VALUES : 1;
    generator->type_count = 5 + below(generator, MOST_TYPES - 4);
    memset(generator->types, 0, sizeof(generator->types));
    generator->types[1].results = (row_t){{KP_WASM_TYPE_I64}, 1};
    unsigned carried = most_results > 1 && generator->more && one_in(generator, 3) ? 20 : 2;
    choose_row(generator, &generator->types[2].parameters, most_results > 1 ? carried : 1, false);
    generator->types[3].results = generator->types[2].parameters;
    for (unsigned i = 4; i < generator->type_count; i++) {
        unsigned parameters = MOST_VALUES, results = most_results;
        if (generator->more && one_in(generator, 3))
            parameters = one_in(generator, 4) ? MANY_VALUES : 20;
        if (generator->more && most_results > 1 && one_in(generator, 3))
            results = one_in(generator, 4) ? MANY_VALUES : 20;
        choose_row(generator, &generator->types[i].parameters, parameters, one_in(generator, 4));
        choose_row(generator, &generator->types[i].results, results, one_in(generator, 4));
    }
    generator->function_count = 2 + below(generator, MOST_FUNCTIONS - 1);
    for (unsigned i = 0; i < generator->function_count; i++)
        generator->functions[i] = below(generator, generator->type_count);
    for (unsigned i = 0; i < 5; i++)
        generator->slots[i] = below(generator, generator->function_count);
    generator->global_count = 2 + below(generator, MOST_GLOBALS - 1);
    generator->globals[FUEL_GLOBAL] = KP_WASM_TYPE_I32;
    for (unsigned i = 1; i < generator->global_count; i++)
        generator->globals[i] = generate_type(generator, one_in(generator, 4));
    generator->memory_count =
        1 + (has(generator, KP_WASM_FEATURE_MULTI_MEMORY) && one_in(generator, 3));
    for (unsigned i = 0; i < generator->memory_count; i++) {
        generator->memory_64[i] = has(generator, KP_WASM_FEATURE_MEMORY64) && one_in(generator, 4);
        generator->memory_shared[i] =
            has(generator, KP_WASM_FEATURE_THREADS) && one_in(generator, 4);
    }
    generator->tag_count =
        has(generator, KP_WASM_FEATURE_EXCEPTIONS) ? 1 + below(generator, MOST_TAGS) : 0;
    for (unsigned i = 0; i < generator->tag_count; i++)
        generator->tags[i] = one_in(generator, 2) ? 2 : 0;
    for (unsigned i = 0; i < generator->memory_count; i++) {
        generator->memory_least[i] = 1 + below(generator, 2);
        generator->memory_most[i] = 2 + below(generator, 15);
    }
}

/* ---- sections ---- */

static void put_row(bytes_t *bytes, const row_t *row)
{
    put_u(bytes, row->count);
    put_data(bytes, row->types, row->count);
}

static void put_table(bytes_t *bytes, unsigned index)
{
    put_data(bytes, (const uint8_t[]){index ? 0x6f : 0x70, 1, TABLE_SIZE, 64}, 4);
}

static void put_memory(const generator_t *generator, bytes_t *bytes, unsigned index)
{
    put_byte(bytes, 1u | (generator->memory_shared[index] ? 2u : 0) |
                        (generator->memory_64[index] ? 4u : 0));
    put_u(bytes, generator->memory_least[index]);
    put_u(bytes, generator->memory_most[index]);
}

static unsigned table_count(const generator_t *generator)
{
    return has(generator, KP_WASM_FEATURE_REFERENCE_TYPES) ? 2 : 1;
}

/* "f0", "t1", ...: a name in the library, and the kind. */
static void put_shared_name(bytes_t *bytes, char letter, unsigned index, unsigned kind)
{
    put_name(bytes, (const char[]){letter, (char)('0' + index), '\0'});
    put_byte(bytes, kind);
}

static void put_imports(const generator_t *generator, bytes_t *module)
{
    bytes_t part = {0};
    put_u(&part, generator->imported_count + table_count(generator) + generator->memory_count +
                     generator->global_count + generator->tag_count);
    for (unsigned i = 0; i < generator->imported_count; i++) {
        put_name(&part, "lib");
        put_shared_name(&part, 'f', i, 0);
        put_u(&part, generator->functions[i]);
    }
    for (unsigned i = 0; i < table_count(generator); i++) {
        put_name(&part, "lib");
        put_shared_name(&part, 't', i, 1);
        put_table(&part, i);
    }
    for (unsigned i = 0; i < generator->memory_count; i++) {
        put_name(&part, "lib");
        put_shared_name(&part, 'm', i, 2);
        put_memory(generator, &part, i);
    }
    for (unsigned i = 0; i < generator->global_count; i++) {
        put_name(&part, "lib");
        put_shared_name(&part, 'g', i, 3);
        put_data(&part, (const uint8_t[]){generator->globals[i], 1}, 2);
    }
    for (unsigned i = 0; i < generator->tag_count; i++) {
        put_name(&part, "lib");
        put_shared_name(&part, 'e', i, 4);
        put_byte(&part, 0);
        put_u(&part, generator->tags[i]);
    }
    put_section(module, 2, &part);
    free(part.data);
}

static void put_declarations(generator_t *generator, bytes_t *module)
{
    bytes_t part = {0};
    put_u(&part, generator->type_count);
    for (unsigned i = 0; i < generator->type_count; i++) {
        put_byte(&part, 0x60);
        put_row(&part, &generator->types[i].parameters);
        put_row(&part, &generator->types[i].results);
    }
    put_section(module, 1, &part);
    if (generator->imported_count > 0)
        put_imports(generator, module);
    put_u(&part,
          generator->function_count - generator->imported_count + (generator->library ? 0 : 2));
    for (unsigned i = generator->imported_count; i < generator->function_count; i++)
        put_u(&part, generator->functions[i]);
    if (!generator->library)
        put_data(&part, (const uint8_t[]){0, 1}, 2); /* reset, checksum */
    put_section(module, 3, &part);
    if (generator->imported_count > 0) {
        free(part.data);
        return;
    }
    put_u(&part, table_count(generator));
    for (unsigned i = 0; i < table_count(generator); i++)
        put_table(&part, i);
    put_section(module, 4, &part);
    put_u(&part, generator->memory_count);
    for (unsigned i = 0; i < generator->memory_count; i++)
        put_memory(generator, &part, i);
    put_section(module, 5, &part);
    if (generator->tag_count > 0) {
        put_u(&part, generator->tag_count);
        for (unsigned i = 0; i < generator->tag_count; i++) {
            put_byte(&part, 0);
            put_u(&part, generator->tags[i]);
        }
        put_section(module, 13, &part);
    }
    free(part.data);
}

/* An integer's constant expression; with extended constants a sum, difference or product of two. */
static void put_integer(generator_t *generator, bytes_t *bytes, bool wide, uint64_t value,
                        unsigned depth)
{
    if (depth == 0 || !has(generator, KP_WASM_FEATURE_EXTENDED_CONST) || !one_in(generator, 3)) {
        put_byte(bytes, wide ? 0x42 : 0x41);
        put_s(bytes, wide ? (int64_t)value : (int32_t)value);
        return;
    }
    uint64_t part = generate_random(generator);
    unsigned operation = below(generator, 3); /* add, sub, mul: by 1 or -1 */
    uint64_t sign = part & 1 ? 1 : UINT64_MAX;
    put_integer(generator, bytes, wide,
                operation == 0   ? value - part
                : operation == 1 ? value + part
                                 : value * sign,
                depth - 1);
    put_integer(generator, bytes, wide, operation == 2 ? sign : part, depth - 1);
    put_byte(bytes, (wide ? 0x7c : 0x6a) + operation);
}

static void put_globals(generator_t *generator, bytes_t *module)
{
    bytes_t part = {0};
    put_u(&part, generator->global_count);
    for (unsigned i = 0; i < generator->global_count; i++) {
        kp_wasm_type_t type = generator->globals[i];
        put_byte(&part, type);
        put_byte(&part, 1);
        uint64_t bits[2] = {generate_random(generator), generate_random(generator)};
        switch (type) {
        case KP_WASM_TYPE_I32:
            put_integer(generator, &part, false, i == FUEL_GLOBAL ? KP_GENERATOR_FUEL : bits[0], 3);
            break;
        case KP_WASM_TYPE_I64:
            put_integer(generator, &part, true, bits[0], 3);
            break;
        case KP_WASM_TYPE_F32:
            put_byte(&part, 0x43);
            put_data(&part, bits, 4);
            break;
        case KP_WASM_TYPE_F64:
            put_byte(&part, 0x44);
            put_data(&part, bits, 8);
            break;
        case KP_WASM_TYPE_V128:
            put_data(&part, (const uint8_t[]){0xfd, 12}, 2);
            put_data(&part, bits, 16);
            break;
        default:
            put_byte(&part, 0xd0);
            put_byte(&part, type);
            break;
        }
        put_byte(&part, 0x0b);
    }
    put_section(module, 6, &part);
    free(part.data);
}

static void put_library_exports(const generator_t *generator, bytes_t *module)
{
    const struct {
        char letter;
        unsigned count;
    } kinds[] = {{'f', generator->function_count},
                 {'t', table_count(generator)},
                 {'m', generator->memory_count},
                 {'g', generator->global_count},
                 {'e', generator->tag_count}};
    bytes_t part = {0};
    unsigned count = 0;
    for (unsigned kind = 0; kind < 5; kind++)
        count += kinds[kind].count;
    put_u(&part, count);
    for (unsigned kind = 0; kind < 5; kind++) {
        for (unsigned i = 0; i < kinds[kind].count; i++) {
            put_shared_name(&part, kinds[kind].letter, i, kind);
            put_u(&part, i);
        }
    }
    put_section(module, 7, &part);
    free(part.data);
}

static void put_exports(const generator_t *generator, bytes_t *module)
{
    bytes_t part = {0};
    put_u(&part, generator->function_count + 2);
    for (unsigned i = 0; i < generator->function_count + 2; i++) {
        char name[4] = {'f', (char)('0' + i), '\0', '\0'};
        put_name(&part, i < generator->function_count    ? name
                        : i == generator->function_count ? "reset"
                                                         : "checksum");
        put_byte(&part, 0);
        put_u(&part, i);
    }
    put_section(module, 7, &part);
    free(part.data);
}

static void put_elements(generator_t *generator, bytes_t *module)
{
    bytes_t part = {0};
    bool bulk = has(generator, KP_WASM_FEATURE_BULK_MEMORY);
    put_u(&part, bulk ? ELEMENT_SEGMENTS : 1);
    for (unsigned i = 0; i < (bulk ? ELEMENT_SEGMENTS : 1u); i++) {
        if (i == 0) {
            put_byte(&part, 0);
            put_integer(generator, &part, false, 1, 2);
            put_byte(&part, 0x0b);
        } else {
            put_data(&part, (const uint8_t[]){1, 0}, 2);
        }
        put_u(&part, 5);
        for (unsigned item = 0; item < 5; item++)
            put_u(&part,
                  i == 0 ? generator->slots[item] : below(generator, generator->function_count));
    }
    put_section(module, 9, &part);
    if (bulk) {
        put_u(&part, DATA_SEGMENTS);
        put_section(module, 12, &part);
    }
    free(part.data);
}

static void put_data_segments(generator_t *generator, bytes_t *module)
{
    bytes_t part = {0};
    bool bulk = has(generator, KP_WASM_FEATURE_BULK_MEMORY);
    put_u(&part, bulk ? DATA_SEGMENTS : 1);
    for (unsigned i = 0; i < (bulk ? DATA_SEGMENTS : 1u); i++) {
        put_byte(&part, i == 0 ? 0 : 1);
        if (i == 0) {
            put_integer(generator, &part, generator->memory_64[0], 16, 2);
            put_byte(&part, 0x0b);
        }
        put_u(&part, 48);
        for (unsigned item = 0; item < 6; item++) {
            uint64_t bits = generate_random(generator);
            put_data(&part, &bits, 8);
        }
    }
    put_section(module, 11, &part);
    free(part.data);
}

/* ---- reset and checksum ---- */

static void put_reset(bytes_t *code)
{
    bytes_t body = {0};
    put_data(&body, (const uint8_t[]){0, 0x41}, 2);
    put_s(&body, KP_GENERATOR_FUEL);
    put_data(&body, (const uint8_t[]){0x24, FUEL_GLOBAL, 0x0b}, 3);
    put_sized(code, &body);
    free(body.data);
}

/* The i64 on the stack goes into the sum, local 0: sum = rotl(sum, 5) * odd + it. */
static void put_mix(bytes_t *body)
{
    put_data(body, (const uint8_t[]){0x20, 0, 0x42, 5, 0x89, 0x42}, 6);
    put_s(body, 0x5851f42d4c957f2d);
    put_data(body, (const uint8_t[]){0x7e, 0x7c, 0x21, 0}, 4);
}

/* Memory i: its size, and its first 4 KiB. Local 1 counts. */
static void put_memory_sum(const generator_t *generator, bytes_t *body, unsigned i)
{
    bool wide = generator->memory_64[i];
    put_data(body, (const uint8_t[]){0x3f, (uint8_t)i}, 2);
    if (!wide)
        put_byte(body, 0xad); /* i64.extend_i32_u */
    put_mix(body);
    put_data(body, (const uint8_t[]){0x42, 0, 0x21, 1, 0x03, 0x40, 0x20, 1}, 8);
    if (!wide)
        put_byte(body, 0xa7);                                            /* i32.wrap_i64 */
    put_data(body, (const uint8_t[]){0x29, (uint8_t)(i ? 0x43 : 3)}, 2); /* i64.load */
    if (i)
        put_byte(body, i);
    put_byte(body, 0);
    put_mix(body);
    put_data(body, (const uint8_t[]){0x20, 1, 0x42, 8, 0x7c, 0x22, 1, 0x42}, 8);
    put_s(body, 4096);
    put_data(body, (const uint8_t[]){0x54, 0x0d, 0, 0x0b}, 4); /* i64.lt_u, br_if, end */
}

static void put_global_sum(const generator_t *generator, bytes_t *body, unsigned i)
{
    static const uint8_t from_f32[] = {0xbc, 0xad}, lane[] = {0xfd, 0x1d, 0};
    put_data(body, (const uint8_t[]){0x23, (uint8_t)i}, 2);
    switch (generator->globals[i]) {
    case KP_WASM_TYPE_I32:
        put_byte(body, 0xad);
        break;
    case KP_WASM_TYPE_I64:
        break;
    case KP_WASM_TYPE_F32:
        put_data(body, from_f32, 2);
        break;
    case KP_WASM_TYPE_F64:
        put_byte(body, 0xbd);
        break;
    case KP_WASM_TYPE_V128:
        put_data(body, lane, 3);
        put_mix(body);
        put_data(body, (const uint8_t[]){0x23, (uint8_t)i, 0xfd, 0x1d, 1}, 5);
        break;
    default:
        put_data(body, (const uint8_t[]){0xd1, 0xad}, 2); /* ref.is_null */
        break;
    }
    put_mix(body);
}

static void put_checksum(const generator_t *generator, bytes_t *code)
{
    bytes_t body = {0};
    put_data(&body, (const uint8_t[]){1, 2, 0x7e}, 3);
    for (unsigned i = 0; i < generator->memory_count; i++)
        put_memory_sum(generator, &body, i);
    for (unsigned i = 0; i < generator->global_count; i++)
        put_global_sum(generator, &body, i);
    if (has(generator, KP_WASM_FEATURE_REFERENCE_TYPES)) {
        for (unsigned table = 0; table < 2; table++) {
            put_data(&body, (const uint8_t[]){0xfc, 16, (uint8_t)table, 0xad}, 4);
            put_mix(&body);
            /* local 1 from 0: table.get, ref.is_null */
            put_data(&body, (const uint8_t[]){0x42, 0, 0x21, 1, 0x03, 0x40, 0x20, 1, 0xa7}, 9);
            put_data(&body, (const uint8_t[]){0x25, (uint8_t)table, 0xd1, 0xad}, 4);
            put_mix(&body);
            put_data(&body, (const uint8_t[]){0x20, 1, 0x42, 1, 0x7c, 0x22, 1, 0x42}, 8);
            put_data(&body, (const uint8_t[]){TABLE_SIZE, 0x54, 0x0d, 0, 0x0b}, 5);
        }
    }
    put_data(&body, (const uint8_t[]){0x20, 0, 0x0b}, 3);
    put_sized(code, &body);
    free(body.data);
}

static void put_code(generator_t *generator, bytes_t *module)
{
    bytes_t code = {0}, body = {0};
    put_u(&code,
          generator->function_count - generator->imported_count + (generator->library ? 0 : 2));
    for (unsigned i = generator->imported_count; i < generator->function_count; i++) {
        generate_body(generator, i, &body);
        put_sized(&code, &body);
    }
    if (!generator->library) {
        put_reset(&code);
        put_checksum(generator, &code);
    }
    put_section(module, 10, &code);
    free(body.data);
    free(code.data);
}

static size_t generate(uint64_t seed, kp_wasm_features_t features, bool library, uint8_t **bytes,
                       uint32_t *opcodes)
{
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    generator_t generator = {
        .random = seed * 0xd1342543de82ef95u + 1,
        .counts = opcodes,
        .more = features & KP_GENERATOR_MORE,
        .wasm2c_atomics = features & KP_GENERATOR_WASM2C_ATOMICS,
    };
    bool small = features & KP_GENERATOR_SMALL, linked = features & KP_GENERATOR_LINKED;
    features &= KP_WASM_FEATURES_ALL;
    /* Half of the modules leave some proposals out, for what is left to come more often. */
    generator.features = one_in(&generator, 2)
                             ? features
                             : features & (kp_wasm_features_t)generate_random(&generator);
    generator.most_budget = small && !one_in(&generator, 4) ? 80 : 300;
    bytes_t module = {0};
    generate_tables(&generator);
    choose(&generator);
    if (linked && !library)
        generator.imported_count = generator.function_count / 2;
    if (library) {
        /* The same choices, other code. */
        generator.random ^= 0x6a09e667f3bcc908;
        generator.library = true;
        generator.function_count /= 2;
        for (unsigned i = 0; i < 5; i++)
            generator.slots[i] %= generator.function_count;
    }
    put_data(&module, head, sizeof(head));
    put_declarations(&generator, &module);
    if (generator.imported_count == 0)
        put_globals(&generator, &module);
    if (library)
        put_library_exports(&generator, &module);
    else
        put_exports(&generator, &module);
    put_elements(&generator, &module);
    put_code(&generator, &module);
    put_data_segments(&generator, &module);
    *bytes = module.data;
    if (!module.failed)
        return module.size;
    free(module.data);
    *bytes = NULL;
    return 0;
}

size_t kp_generate(uint64_t seed, kp_wasm_features_t features, uint8_t **bytes)
{
    return generate(seed, features, false, bytes, NULL);
}

size_t kp_generate_library(uint64_t seed, kp_wasm_features_t features, uint8_t **bytes)
{
    return generate(seed, features, true, bytes, NULL);
}

size_t kp_generate_counted(uint64_t seed, kp_wasm_features_t features, uint8_t **bytes,
                           uint32_t *opcodes)
{
    return generate(seed, features, false, bytes, opcodes);
}
