/* The sections that declare: types, imports, functions, tables, memories, tags, globals, exports,
   start. Specification: "Binary Format / Modules" and "Validation / Modules". */
#include "runtime/wasm/internal.h"

/* ---- pieces ---- */

bool kp_wasm_decode_unknown(kp_wasm_decoder_t *decoder, const uint8_t *at, const char *reason,
                            uint32_t index)
{
    kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, at, reason);
    kp_wasm_detail_number(decoder->error, index);
    return false;
}

bool kp_wasm_decode_u8(kp_wasm_decoder_t *decoder, uint8_t *value)
{
    if (decoder->at >= decoder->end)
        return kp_wasm_decode_malformed(decoder, "unexpected end");
    *value = *decoder->at++;
    return true;
}

bool kp_wasm_decode_u32(kp_wasm_decoder_t *decoder, uint32_t *value)
{
    const char *reason = kp_wasm_read_u32(&decoder->at, decoder->end, value);
    return !reason || kp_wasm_decode_malformed(decoder, reason);
}

static bool decode_u64(kp_wasm_decoder_t *decoder, uint64_t *value)
{
    const char *reason = kp_wasm_leb_read(&decoder->at, decoder->end, 64, false, value);
    return !reason || kp_wasm_decode_malformed(decoder, reason);
}

bool kp_wasm_decode_count(kp_wasm_decoder_t *decoder, uint32_t limit, uint32_t item_bytes,
                          const char *what, uint32_t *count)
{
    const uint8_t *begin = decoder->at;
    if (!kp_wasm_decode_u32(decoder, count))
        return false;
    if (*count > limit) {
        kp_wasm_decode_fail(decoder, KP_WASM_ERROR_LIMIT, begin, what);
        kp_wasm_detail_number(decoder->error, *count);
        return false;
    }
    if (*count > (size_t)(decoder->end - decoder->at) / item_bytes)
        return kp_wasm_decode_malformed(decoder, "unexpected end of section or function");
    return true;
}

const char *kp_wasm_type_check(kp_wasm_features_t features, uint8_t byte,
                               kp_wasm_error_kind_t *kind)
{
    kp_wasm_features_t feature;
    *kind = KP_WASM_ERROR_UNSUPPORTED;
    switch (byte) {
    case KP_WASM_TYPE_I32:
    case KP_WASM_TYPE_I64:
    case KP_WASM_TYPE_F32:
    case KP_WASM_TYPE_F64:
        return NULL;
    case KP_WASM_TYPE_V128:
        feature = KP_WASM_FEATURE_SIMD;
        break;
    case KP_WASM_TYPE_FUNCREF:
    case KP_WASM_TYPE_EXTERNREF:
        feature = KP_WASM_FEATURE_REFERENCE_TYPES;
        break;
    case KP_WASM_TYPE_EXNREF:
        feature = KP_WASM_FEATURE_EXCEPTIONS;
        break;
    case 0x63:
    case 0x64:
        return "typed function references are not supported";
    case 0x6a:
    case 0x6b:
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x71:
    case 0x72:
    case 0x73:
    case 0x74:
        return "garbage collection is not supported";
    default:
        *kind = KP_WASM_ERROR_MALFORMED;
        return "malformed value type";
    }
    return feature & ~features ? "malformed value type" : NULL;
}

bool kp_wasm_decode_value_type(kp_wasm_decoder_t *decoder, kp_wasm_type_t *type)
{
    if (!kp_wasm_decode_u8(decoder, type))
        return false;
    kp_wasm_error_kind_t kind;
    const char *reason = kp_wasm_type_check(decoder->module->features, *type, &kind);
    return !reason || kp_wasm_decode_fail(decoder, kind, decoder->at - 1, reason);
}

bool kp_wasm_decode_reference_type(kp_wasm_decoder_t *decoder, kp_wasm_type_t *type)
{
    if (!kp_wasm_decode_u8(decoder, type))
        return false;
    if (*type == KP_WASM_TYPE_FUNCREF)
        return true;
    kp_wasm_error_kind_t kind;
    const char *reason = kp_wasm_type_check(decoder->module->features, *type, &kind);
    if (!reason && !kp_wasm_type_is_reference(*type)) {
        kind = KP_WASM_ERROR_MALFORMED;
        reason = "malformed reference type";
    }
    return !reason || kp_wasm_decode_fail(
                          decoder, kind, decoder->at - 1,
                          kind == KP_WASM_ERROR_MALFORMED ? "malformed reference type" : reason);
}

bool kp_wasm_decode_name(kp_wasm_decoder_t *decoder, kp_wasm_span_t *name)
{
    uint32_t size;
    if (!kp_wasm_decode_u32(decoder, &size))
        return false;
    if (size > (size_t)(decoder->end - decoder->at))
        return kp_wasm_decode_malformed(decoder, "length out of bounds");
    if (!kp_wasm_utf8_valid(decoder->at, size))
        return kp_wasm_decode_malformed(decoder, "malformed UTF-8 encoding");
    *name = (kp_wasm_span_t){kp_wasm_decode_offset(decoder), size};
    decoder->at += size;
    return true;
}

/* ---- types ---- */

static bool type_below(const void *context, uint32_t a, uint32_t b)
{
    const kp_wasm_functype_t *left = (const kp_wasm_functype_t *)context + a;
    const kp_wasm_functype_t *right = (const kp_wasm_functype_t *)context + b;
    if (left->parameter_count != right->parameter_count)
        return left->parameter_count < right->parameter_count;
    if (left->result_count != right->result_count)
        return left->result_count < right->result_count;
    int order =
        memcmp(left->types, right->types, (size_t)left->parameter_count + left->result_count);
    return order != 0 ? order < 0 : a < b;
}

static bool find_equal_types(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    uint32_t *order = kp_wasm_module_allocate(decoder, module->type_count, sizeof(*order));
    if (!order)
        return false;
    kp_wasm_sort(order, module->type_count, type_below, module->types);
    for (uint32_t i = 0; i < module->type_count; i++) {
        kp_wasm_functype_t *type = &module->types[order[i]];
        const kp_wasm_functype_t *previous = i > 0 ? &module->types[order[i - 1]] : NULL;
        type->canonical =
            previous && kp_wasm_functype_equal(type, previous) ? previous->canonical : order[i];
    }
    kp_wasm_module_free(module, order);
    return true;
}

static bool decode_type_vector(kp_wasm_decoder_t *decoder, uint32_t limit, const char *what,
                               uint32_t *count)
{
    kp_wasm_module_t *module = decoder->module;
    if (!kp_wasm_decode_count(decoder, limit, 1, what, count))
        return false;
    for (uint32_t i = 0; i < *count; i++) {
        if (!kp_wasm_decode_value_type(decoder, &module->type_bytes[module->type_byte_count]))
            return false;
        module->type_byte_count++;
    }
    return true;
}

bool kp_wasm_decode_types(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, module->limits.types, 3, "too many types", &count))
        return false;
    module->types = kp_wasm_module_allocate(decoder, count, sizeof(*module->types));
    /* Each type in the section is a byte there too. */
    module->type_bytes =
        module->types ? kp_wasm_module_allocate(decoder, (size_t)(decoder->end - decoder->at), 1)
                      : NULL;
    if (!module->type_bytes)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        kp_wasm_functype_t *type = &module->types[i];
        const uint8_t *begin = decoder->at;
        uint8_t form = 0;
        if (!kp_wasm_decode_u8(decoder, &form))
            return false;
        if (form == 0x4e || form == 0x4f || form == 0x50 || form == 0x5f || form == 0x5e)
            return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_UNSUPPORTED, begin,
                                       "garbage collection is not supported");
        if (form != 0x60)
            return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin,
                                       "malformed function type");
        type->types = module->type_bytes + module->type_byte_count;
        if (!decode_type_vector(decoder, module->limits.parameters, "too many parameters",
                                &type->parameter_count) ||
            !decode_type_vector(decoder, module->limits.results, "too many results",
                                &type->result_count))
            return false;
        if (type->result_count > 1 && !(module->features & KP_WASM_FEATURE_MULTI_VALUE))
            return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, begin,
                                       "invalid result arity");
    }
    module->type_count = count;
    return find_equal_types(decoder);
}

static bool decode_type_index(kp_wasm_decoder_t *decoder, uint32_t *index)
{
    const uint8_t *begin = decoder->at;
    if (!kp_wasm_decode_u32(decoder, index))
        return false;
    if (*index >= decoder->module->type_count)
        return kp_wasm_decode_unknown(decoder, begin, "unknown type", *index);
    return true;
}

/* ---- tables, memories, globals, tags: what imports and definitions share ---- */

static bool decode_size_range(kp_wasm_decoder_t *decoder, bool memory, kp_wasm_size_range_t *size)
{
    const uint8_t *begin = decoder->at;
    kp_wasm_features_t features = decoder->module->features;
    uint8_t flags = 0;
    if (!kp_wasm_decode_u8(decoder, &flags))
        return false;
    if (flags & 0x80)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin,
                                   "integer representation too long");
    bool shared_allowed = memory && (features & KP_WASM_FEATURE_THREADS);
    if ((flags & ~7u) || ((flags & 2) && !shared_allowed) ||
        ((flags & 4) && !(features & KP_WASM_FEATURE_MEMORY64)))
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin,
                                   "malformed limits flags");
    *size = (kp_wasm_size_range_t){
        .maximum = UINT64_MAX,
        .has_maximum = flags & 1,
        .shared = flags & 2,
        .is_64 = flags & 4,
    };
    const uint8_t *numbers = decoder->at;
    if (features & KP_WASM_FEATURE_MEMORY64) {
        if (!decode_u64(decoder, &size->minimum) ||
            (size->has_maximum && !decode_u64(decoder, &size->maximum)))
            return false;
    } else {
        uint32_t minimum, maximum = 0;
        if (!kp_wasm_decode_u32(decoder, &minimum) ||
            (size->has_maximum && !kp_wasm_decode_u32(decoder, &maximum)))
            return false;
        size->minimum = minimum;
        if (size->has_maximum)
            size->maximum = maximum;
    }
    uint64_t most = memory ? (size->is_64 ? (uint64_t)1 << 48 : 65536)
                           : (size->is_64 ? UINT64_MAX : UINT32_MAX);
    if (size->minimum > most || (size->has_maximum && size->maximum > most))
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, numbers,
                                   !memory ? "table size must be at most 2^32-1"
                                   : size->is_64
                                       ? "memory size must be at most 2^48 pages"
                                       : "memory size must be at most 65536 pages (4GiB)");
    if (size->minimum > size->maximum)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, numbers,
                                   "size minimum must not be greater than maximum");
    if (size->shared && !size->has_maximum)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, numbers,
                                   "shared memory must have maximum");
    return true;
}

/* Room for one more item of an index space; the limit counts imports too. */
static bool add(kp_wasm_decoder_t *decoder, kp_wasm_external_t kind, void **array, uint32_t count,
                size_t item, uint32_t limit, const char *what)
{
    if (count >= limit)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_LIMIT, decoder->at, what);
    return kp_wasm_module_grow(decoder, array, &decoder->capacity[kind], count + 1, item);
}

static bool add_function(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    if (!add(decoder, KP_WASM_EXTERNAL_FUNCTION, (void **)&module->functions,
             module->function_count, sizeof(*module->functions), module->limits.functions,
             "too many functions"))
        return false;
    if (!decode_type_index(decoder, &module->functions[module->function_count].type))
        return false;
    module->function_count++;
    return true;
}

static bool add_table(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    if (module->table_count == 1 && !(module->features & KP_WASM_FEATURE_REFERENCE_TYPES))
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, decoder->at, "multiple tables");
    if (!add(decoder, KP_WASM_EXTERNAL_TABLE, (void **)&module->tables, module->table_count,
             sizeof(*module->tables), module->limits.tables, "too many tables"))
        return false;
    if (decoder->at < decoder->end && *decoder->at == 0x40)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_UNSUPPORTED, decoder->at,
                                   "typed function references are not supported");
    kp_wasm_table_t *table = &module->tables[module->table_count];
    if (!kp_wasm_decode_reference_type(decoder, &table->type) ||
        !decode_size_range(decoder, false, &table->size))
        return false;
    module->table_count++;
    return true;
}

static bool add_memory(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    if (module->memory_count == 1 && !(module->features & KP_WASM_FEATURE_MULTI_MEMORY))
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, decoder->at,
                                   "multiple memories");
    if (!add(decoder, KP_WASM_EXTERNAL_MEMORY, (void **)&module->memories, module->memory_count,
             sizeof(*module->memories), module->limits.memories, "too many memories"))
        return false;
    if (!decode_size_range(decoder, true, &module->memories[module->memory_count].size))
        return false;
    module->memory_count++;
    return true;
}

/* A new global with its type, NULL after an error; the caller counts it when it is complete. */
static kp_wasm_global_t *add_global(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    if (!add(decoder, KP_WASM_EXTERNAL_GLOBAL, (void **)&module->globals, module->global_count,
             sizeof(*module->globals), module->limits.globals, "too many globals"))
        return NULL;
    kp_wasm_global_t *global = &module->globals[module->global_count];
    uint8_t mutable = 0;
    if (!kp_wasm_decode_value_type(decoder, &global->type) || !kp_wasm_decode_u8(decoder, &mutable))
        return NULL;
    if (mutable > 1) {
        kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, decoder->at - 1,
                            "malformed mutability");
        return NULL;
    }
    global->mutable = mutable;
    return global;
}

static bool add_tag(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    if (!add(decoder, KP_WASM_EXTERNAL_TAG, (void **)&module->tags, module->tag_count,
             sizeof(*module->tags), module->limits.tags, "too many tags"))
        return false;
    const uint8_t *begin = decoder->at;
    uint8_t attribute = 0;
    uint32_t type;
    if (!kp_wasm_decode_u8(decoder, &attribute))
        return false;
    if (attribute != 0)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin, "malformed tag");
    if (!decode_type_index(decoder, &type))
        return false;
    if (module->types[type].result_count != 0)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, begin,
                                   "non-empty tag result type");
    module->tags[module->tag_count++].type = type;
    return true;
}

/* ---- the sections ---- */

static bool decode_import(kp_wasm_decoder_t *decoder, kp_wasm_import_t *import)
{
    kp_wasm_module_t *module = decoder->module;
    if (!kp_wasm_decode_name(decoder, &import->module) ||
        !kp_wasm_decode_name(decoder, &import->name) || !kp_wasm_decode_u8(decoder, &import->kind))
        return false;
    switch (import->kind) {
    case KP_WASM_EXTERNAL_FUNCTION:
        import->index = module->imported_function_count++;
        return add_function(decoder);
    case KP_WASM_EXTERNAL_TABLE:
        import->index = module->imported_table_count++;
        return add_table(decoder);
    case KP_WASM_EXTERNAL_MEMORY:
        import->index = module->imported_memory_count++;
        return add_memory(decoder);
    case KP_WASM_EXTERNAL_GLOBAL:
        import->index = module->imported_global_count++;
        if (!add_global(decoder))
            return false;
        module->global_count++;
        return true;
    case KP_WASM_EXTERNAL_TAG:
        if (module->features & KP_WASM_FEATURE_EXCEPTIONS) {
            import->index = module->imported_tag_count++;
            return add_tag(decoder);
        }
        break;
    }
    return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, decoder->at - 1,
                               "malformed import kind");
}

bool kp_wasm_decode_imports(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, module->limits.imports, 3, "too many imports", &count))
        return false;
    module->imports = kp_wasm_module_allocate(decoder, count, sizeof(*module->imports));
    if (!module->imports)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!decode_import(decoder, &module->imports[i]))
            return false;
    }
    module->import_count = count;
    return true;
}

bool kp_wasm_decode_functions(kp_wasm_decoder_t *decoder)
{
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, decoder->module->limits.functions, 1, "too many functions",
                              &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!add_function(decoder))
            return false;
    }
    return true;
}

bool kp_wasm_decode_tables(kp_wasm_decoder_t *decoder)
{
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, decoder->module->limits.tables, 1, "too many tables",
                              &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!add_table(decoder))
            return false;
    }
    return true;
}

bool kp_wasm_decode_memories(kp_wasm_decoder_t *decoder)
{
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, decoder->module->limits.memories, 1, "too many memories",
                              &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!add_memory(decoder))
            return false;
    }
    return true;
}

bool kp_wasm_decode_tags(kp_wasm_decoder_t *decoder)
{
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, decoder->module->limits.tags, 1, "too many tags", &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!add_tag(decoder))
            return false;
    }
    return true;
}

bool kp_wasm_decode_globals(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, module->limits.globals, 1, "too many globals", &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        kp_wasm_global_t *global = add_global(decoder);
        if (!global ||
            !kp_wasm_decode_constant(decoder, global->type, module->global_count, &global->initial))
            return false;
        module->global_count++;
    }
    return true;
}

/* ---- exports and start ---- */

static bool export_below(const void *context, uint32_t a, uint32_t b)
{
    const kp_wasm_module_t *module = context;
    kp_wasm_span_t left = module->exports[a].name, right = module->exports[b].name;
    if (left.size != right.size)
        return left.size < right.size;
    int order =
        memcmp(kp_wasm_module_at(module, left), kp_wasm_module_at(module, right), left.size);
    return order != 0 ? order < 0 : a < b;
}

static bool check_export_names(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    module->export_order =
        kp_wasm_module_allocate(decoder, module->export_count, sizeof(*module->export_order));
    if (!module->export_order)
        return false;
    kp_wasm_sort(module->export_order, module->export_count, export_below, module);
    for (uint32_t i = 1; i < module->export_count; i++) {
        kp_wasm_span_t name = module->exports[module->export_order[i]].name;
        kp_wasm_span_t previous = module->exports[module->export_order[i - 1]].name;
        if (name.size == previous.size &&
            memcmp(kp_wasm_module_at(module, name), kp_wasm_module_at(module, previous),
                   name.size) == 0)
            return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID,
                                       kp_wasm_module_at(module, name), "duplicate export name");
    }
    return true;
}

static bool decode_export(kp_wasm_decoder_t *decoder, kp_wasm_export_t *export)
{
    kp_wasm_module_t *module = decoder->module;
    if (!kp_wasm_decode_name(decoder, &export->name) || !kp_wasm_decode_u8(decoder, &export->kind))
        return false;
    const struct {
        uint32_t count;
        const char *unknown;
    } kinds[] = {
        [KP_WASM_EXTERNAL_FUNCTION] = {module->function_count, "unknown function"},
        [KP_WASM_EXTERNAL_TABLE] = {module->table_count, "unknown table"},
        [KP_WASM_EXTERNAL_MEMORY] = {module->memory_count, "unknown memory"},
        [KP_WASM_EXTERNAL_GLOBAL] = {module->global_count, "unknown global"},
        [KP_WASM_EXTERNAL_TAG] = {module->tag_count, "unknown tag"},
    };
    if (export->kind >= sizeof(kinds) / sizeof(kinds[0]))
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, decoder->at - 1,
                                   "malformed export kind");
    const uint8_t *begin = decoder->at;
    if (!kp_wasm_decode_u32(decoder, &export->index))
        return false;
    if (export->index >= kinds[export->kind].count)
        return kp_wasm_decode_unknown(decoder, begin, kinds[export->kind].unknown, export->index);
    return export->kind != KP_WASM_EXTERNAL_FUNCTION ||
           kp_wasm_decode_declare(decoder, export->index);
}

bool kp_wasm_decode_exports(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, module->limits.exports, 3, "too many exports", &count))
        return false;
    module->exports = kp_wasm_module_allocate(decoder, count, sizeof(*module->exports));
    if (!module->exports)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!decode_export(decoder, &module->exports[i]))
            return false;
    }
    module->export_count = count;
    return check_export_names(decoder);
}

bool kp_wasm_decode_start(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    const uint8_t *begin = decoder->at;
    if (!kp_wasm_decode_u32(decoder, &module->start))
        return false;
    if (module->start >= module->function_count)
        return kp_wasm_decode_unknown(decoder, begin, "unknown function", module->start);
    const kp_wasm_functype_t *type = kp_wasm_module_function_type(module, module->start);
    if (type->parameter_count != 0 || type->result_count != 0)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, begin, "start function");
    return true;
}
