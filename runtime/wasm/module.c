/* The decoder's frame: sections in their order, the module's memory, look-ups. */
#include "runtime/wasm/internal.h"

const kp_wasm_limits_t kp_wasm_limits_default = {
    .module_bytes = 1u << 30,
    .types = 1000000,
    .parameters = 1000,
    .results = 1000,
    .imports = 1000000,
    .functions = 1000000,
    .tables = 100000,
    .memories = 100,
    .globals = 1000000,
    .tags = 1000000,
    .exports = 1000000,
    .elements = 10000000,
    .element_items = 10000000,
    .data = 100000,
    .body_bytes = 7654321,
    .locals = 50000,
    .block_depth = 50000,
    .operands = 65536,
    .br_table = 65520,
    .constant_depth = 64,
    .metadata_bytes = (size_t)256 << 20,
};

kp_wasm_options_t kp_wasm_options_init(kp_wasm_allocator_t allocator)
{
    return (kp_wasm_options_t){
        .features = KP_WASM_FEATURES_ALL,
        .limits = kp_wasm_limits_default,
        .allocator = allocator,
    };
}

/* ---- memory ---- */

/* In front of each block: its whole size, for the allocator. */
typedef struct header {
    size_t size;
    uint8_t padding[16 - sizeof(size_t)];
} header_t;

static void *resize(kp_wasm_decoder_t *decoder, void *block, size_t bytes)
{
    kp_wasm_module_t *module = decoder->module;
    header_t *old = block ? (header_t *)block - 1 : NULL;
    size_t old_size = old ? old->size : 0;
    size_t size = bytes + sizeof(header_t);
    size_t others = module->allocated - old_size;
    if (size < bytes || size > module->limits.metadata_bytes ||
        others > module->limits.metadata_bytes - size) {
        kp_wasm_decode_fail(decoder, KP_WASM_ERROR_LIMIT, decoder->at,
                            "module needs too much memory");
        return NULL;
    }
    header_t *header = module->allocator.resize(module->allocator.context, old, old_size, size);
    if (!header) {
        kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MEMORY, decoder->at, "out of memory");
        return NULL;
    }
    memset((uint8_t *)header + (old ? old_size : 0), 0, size - old_size);
    header->size = size;
    module->allocated = others + size;
    return header + 1;
}

void *kp_wasm_module_allocate(kp_wasm_decoder_t *decoder, size_t count, size_t item)
{
    if (count > SIZE_MAX / 2 / item) {
        kp_wasm_decode_fail(decoder, KP_WASM_ERROR_LIMIT, decoder->at,
                            "module needs too much memory");
        return NULL;
    }
    return resize(decoder, NULL, count * item);
}

bool kp_wasm_module_grow(kp_wasm_decoder_t *decoder, void **array, uint32_t *capacity,
                         uint32_t count, size_t item)
{
    if (count <= *capacity)
        return true;
    uint64_t wanted = *capacity < 8 ? 8 : (uint64_t)*capacity * 2;
    if (wanted < count)
        wanted = count;
    if (wanted > UINT32_MAX || wanted > SIZE_MAX / 2 / item)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_LIMIT, decoder->at,
                                   "module needs too much memory");
    void *grown = resize(decoder, *array, (size_t)wanted * item);
    if (!grown)
        return false;
    *array = grown;
    *capacity = (uint32_t)wanted;
    return true;
}

void kp_wasm_module_free(kp_wasm_module_t *module, void *block)
{
    if (!block)
        return;
    header_t *header = (header_t *)block - 1;
    module->allocated -= header->size;
    module->allocator.resize(module->allocator.context, header, header->size, 0);
}

void kp_wasm_module_destroy(kp_wasm_module_t *module)
{
    if (!module)
        return;
    void *blocks[] = {
        module->types,        module->imports,        module->functions,
        module->tables,       module->memories,       module->globals,
        module->tags,         module->exports,        module->elements,
        module->data,         module->customs,        module->type_bytes,
        module->export_order, module->function_names, module->declared_functions,
    };
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        kp_wasm_module_free(module, blocks[i]);
    module->allocator.resize(module->allocator.context, module, sizeof(*module), 0);
}

/* ---- decoding ---- */

bool kp_wasm_decode_fail(kp_wasm_decoder_t *decoder, kp_wasm_error_kind_t kind, const uint8_t *at,
                         const char *reason)
{
    kp_wasm_fail(decoder->error, kind, (uint32_t)(at - decoder->module->bytes), reason);
    return false;
}

/* Sections by id. rank: they come in rising order of it; custom ones anywhere. */
static const struct {
    uint8_t rank;
    kp_wasm_features_t feature;
    bool (*decode)(kp_wasm_decoder_t *decoder);
} sections[] = {
    [0] = {0, 0, kp_wasm_decode_custom},
    [1] = {1, 0, kp_wasm_decode_types},
    [2] = {2, 0, kp_wasm_decode_imports},
    [3] = {3, 0, kp_wasm_decode_functions},
    [4] = {4, 0, kp_wasm_decode_tables},
    [5] = {5, 0, kp_wasm_decode_memories},
    [6] = {7, 0, kp_wasm_decode_globals},
    [7] = {8, 0, kp_wasm_decode_exports},
    [8] = {9, 0, kp_wasm_decode_start},
    [9] = {10, 0, kp_wasm_decode_elements},
    [10] = {12, 0, kp_wasm_decode_code},
    [11] = {13, 0, kp_wasm_decode_data},
    [12] = {11, KP_WASM_FEATURE_BULK_MEMORY, kp_wasm_decode_data_count},
    [13] = {6, KP_WASM_FEATURE_EXCEPTIONS, kp_wasm_decode_tags},
};

static bool decode_section(kp_wasm_decoder_t *decoder, uint8_t *last_rank)
{
    const uint8_t *begin = decoder->at, *end = decoder->end;
    uint8_t id = 0;
    uint32_t size;
    if (!kp_wasm_decode_u8(decoder, &id) || !kp_wasm_decode_u32(decoder, &size))
        return false;
    if (id >= sizeof(sections) / sizeof(sections[0]) ||
        (sections[id].feature & ~decoder->module->features))
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin, "malformed section id");
    if (size > (size_t)(end - decoder->at))
        return kp_wasm_decode_malformed(decoder, "length out of bounds");
    if (id != 0) {
        if (sections[id].rank <= *last_rank)
            return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin,
                                       "unexpected content after last section");
        *last_rank = sections[id].rank;
    }
    decoder->end = decoder->at + size;
    if (!sections[id].decode(decoder))
        return false;
    if (decoder->at != decoder->end)
        return kp_wasm_decode_malformed(decoder, "section size mismatch");
    decoder->end = end;
    return true;
}

static bool decode(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    if (module->size < 4 || memcmp(decoder->at, "\0asm", 4) != 0)
        return kp_wasm_decode_malformed(decoder, module->size < 4 ? "unexpected end"
                                                                  : "magic header not detected");
    decoder->at += 4;
    if (module->size < 8 || memcmp(decoder->at, "\1\0\0\0", 4) != 0)
        return kp_wasm_decode_malformed(decoder, module->size < 8 ? "unexpected end"
                                                                  : "unknown binary version");
    decoder->at += 4;
    uint8_t rank = 0;
    while (decoder->at < decoder->end) {
        if (!decode_section(decoder, &rank))
            return false;
    }
    if (decoder->code_count != module->function_count - module->imported_function_count)
        return kp_wasm_decode_malformed(decoder,
                                        "function and code section have inconsistent lengths");
    if (module->has_data_count && !decoder->seen_data && decoder->data_wanted != 0)
        return kp_wasm_decode_malformed(decoder,
                                        "data count and data section have inconsistent lengths");
    return kp_wasm_decode_names(decoder);
}

kp_status_t kp_wasm_module_decode(const void *bytes, size_t size, const kp_wasm_options_t *options,
                                  kp_wasm_module_t **result, kp_wasm_error_t *error)
{
    kp_wasm_error_t unwanted;
    if (!error)
        error = &unwanted;
    *result = NULL;
    if (size > options->limits.module_bytes)
        return kp_wasm_fail(error, KP_WASM_ERROR_LIMIT, 0, "module is too large");
    const kp_wasm_allocator_t *allocator = &options->allocator;
    kp_wasm_module_t *module = allocator->resize(allocator->context, NULL, 0, sizeof(*module));
    if (!module)
        return kp_wasm_fail(error, KP_WASM_ERROR_MEMORY, 0, "out of memory");
    *module = (kp_wasm_module_t){
        .bytes = bytes,
        .size = (uint32_t)size,
        .features = options->features,
        .limits = options->limits,
        .allocator = *allocator,
        .start = KP_WASM_NO_INDEX,
    };
    kp_wasm_decoder_t decoder = {
        .module = module,
        .at = module->bytes,
        .end = module->bytes + size,
        .error = error,
    };
    if (!decode(&decoder)) {
        kp_wasm_module_destroy(module);
        return error->status;
    }
    *result = module;
    return KP_OK;
}

kp_status_t kp_wasm_module_validate(const kp_wasm_module_t *module, kp_wasm_error_t *error)
{
    kp_wasm_visitor_t visitor;
    kp_wasm_visitor_init(&visitor, module, module->allocator);
    kp_status_t status = KP_OK;
    for (uint32_t i = module->imported_function_count; i < module->function_count && !status; i++)
        status = kp_wasm_body_visit(&visitor, i, NULL, NULL, error);
    kp_wasm_visitor_clear(&visitor);
    return status;
}

/* ---- look-ups ---- */

bool kp_wasm_functype_equal(const kp_wasm_functype_t *a, const kp_wasm_functype_t *b)
{
    return a->parameter_count == b->parameter_count && a->result_count == b->result_count &&
           memcmp(a->types, b->types, (size_t)a->parameter_count + a->result_count) == 0;
}

const kp_wasm_export_t *kp_wasm_module_find_export(const kp_wasm_module_t *module, const char *name,
                                                   size_t length)
{
    uint32_t low = 0, high = module->export_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const kp_wasm_export_t *found = &module->exports[module->export_order[middle]];
        int order = found->name.size < length   ? -1
                    : found->name.size > length ? 1
                    : length == 0               ? 0
                                  : memcmp(kp_wasm_module_at(module, found->name), name, length);
        if (order == 0)
            return found;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool kp_wasm_size_matches(const kp_wasm_size_range_t *given, const kp_wasm_size_range_t *wanted)
{
    return given->is_64 == wanted->is_64 && given->shared == wanted->shared &&
           given->minimum >= wanted->minimum &&
           (!wanted->has_maximum || (given->has_maximum && given->maximum <= wanted->maximum));
}

/* Heap sort: no recursion, no memory, no bad input. */
void kp_wasm_sort(uint32_t *order, uint32_t count,
                  bool (*below)(const void *context, uint32_t a, uint32_t b), const void *context)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    uint32_t heap = count / 2, left = count;
    while (left > 1) {
        uint32_t moving;
        if (heap > 0) {
            moving = order[--heap];
        } else {
            moving = order[--left];
            order[left] = order[0];
        }
        uint32_t hole = heap;
        for (uint32_t child; (child = 2 * hole + 1) < left; hole = child) {
            if (child + 1 < left && below(context, order[child], order[child + 1]))
                child++;
            if (!below(context, moving, order[child]))
                break;
            order[hole] = order[child];
        }
        order[hole] = moving;
    }
}
