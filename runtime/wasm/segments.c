/* The sections that fill: element and data segments, code; and custom sections with the names. */
#include "runtime/wasm/internal.h"

bool kp_wasm_decode_declare(kp_wasm_decoder_t *decoder, uint32_t function)
{
    kp_wasm_module_t *module = decoder->module;
    if (!module->declared_functions) {
        /* The function section came before anything that declares, so the count is final. */
        module->declared_functions =
            kp_wasm_module_allocate(decoder, (size_t)module->function_count / 8 + 1, 1);
        if (!module->declared_functions)
            return false;
    }
    module->declared_functions[function / 8] |= (uint8_t)(1u << (function % 8));
    return true;
}

/* ---- elements ---- */

static bool decode_element_items(kp_wasm_decoder_t *decoder, kp_wasm_element_t *element)
{
    kp_wasm_module_t *module = decoder->module;
    if (!kp_wasm_decode_count(decoder, module->limits.element_items, element->expressions ? 2 : 1,
                              "too many element items", &element->count))
        return false;
    element->items.offset = kp_wasm_decode_offset(decoder);
    for (uint32_t i = 0; i < element->count; i++) {
        const uint8_t *begin = decoder->at;
        kp_wasm_span_t span;
        uint32_t function;
        if (element->expressions) {
            if (!kp_wasm_decode_constant(decoder, element->type, module->global_count, &span))
                return false;
            continue;
        }
        if (!kp_wasm_decode_u32(decoder, &function))
            return false;
        if (function >= module->function_count)
            return kp_wasm_decode_unknown(decoder, begin, "unknown function", function);
        if (!kp_wasm_decode_declare(decoder, function))
            return false;
    }
    element->items.size = kp_wasm_decode_offset(decoder) - element->items.offset;
    return true;
}

/* flags: bit 0 passive or declarative, bit 1 explicit table or declarative, bit 2 expressions. */
static bool decode_element(kp_wasm_decoder_t *decoder, kp_wasm_element_t *element)
{
    kp_wasm_module_t *module = decoder->module;
    const uint8_t *begin = decoder->at;
    uint32_t flags;
    if (!kp_wasm_decode_u32(decoder, &flags))
        return false;
    if (flags > 7 || (flags != 0 && !(module->features & KP_WASM_FEATURE_BULK_MEMORY)))
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin,
                                   "malformed elements segment kind");
    element->type = KP_WASM_TYPE_FUNCREF;
    element->expressions = flags & 4;
    if (flags & 1) {
        element->mode = flags & 2 ? KP_WASM_SEGMENT_DECLARATIVE : KP_WASM_SEGMENT_PASSIVE;
    } else {
        element->mode = KP_WASM_SEGMENT_ACTIVE;
        const uint8_t *at = decoder->at;
        if ((flags & 2) && !kp_wasm_decode_u32(decoder, &element->table))
            return false;
        if (element->table >= module->table_count)
            return kp_wasm_decode_unknown(decoder, at, "unknown table", element->table);
        const kp_wasm_table_t *table = &module->tables[element->table];
        if (!kp_wasm_decode_constant(decoder, kp_wasm_size_index_type(&table->size),
                                     module->global_count, &element->offset))
            return false;
    }
    if (flags & 3) {
        uint8_t kind = 0;
        if (element->expressions) {
            if (!kp_wasm_decode_reference_type(decoder, &element->type))
                return false;
        } else if (!kp_wasm_decode_u8(decoder, &kind)) {
            return false;
        } else if (kind != 0) {
            return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, decoder->at - 1,
                                       "malformed element kind");
        }
    }
    if (element->mode == KP_WASM_SEGMENT_ACTIVE &&
        element->type != module->tables[element->table].type)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, begin, "type mismatch");
    return decode_element_items(decoder, element);
}

bool kp_wasm_decode_elements(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, module->limits.elements, 3, "too many element segments",
                              &count))
        return false;
    module->elements = kp_wasm_module_allocate(decoder, count, sizeof(*module->elements));
    if (!module->elements)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!decode_element(decoder, &module->elements[i]))
            return false;
    }
    module->element_count = count;
    return true;
}

/* ---- code ---- */

bool kp_wasm_decode_code(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    module->code.offset = kp_wasm_decode_offset(decoder);
    module->code.size = (uint32_t)(decoder->end - decoder->at);
    if (!kp_wasm_decode_u32(decoder, &decoder->code_count))
        return false;
    if (decoder->code_count != module->function_count - module->imported_function_count)
        return kp_wasm_decode_malformed(decoder,
                                        "function and code section have inconsistent lengths");
    for (uint32_t i = 0; i < decoder->code_count; i++) {
        const uint8_t *begin = decoder->at;
        uint32_t size;
        if (!kp_wasm_decode_u32(decoder, &size))
            return false;
        if (size > (size_t)(decoder->end - decoder->at))
            return kp_wasm_decode_malformed(decoder, "unexpected end of section or function");
        if (size > module->limits.body_bytes)
            return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_LIMIT, begin,
                                       "function body is too large");
        module->functions[module->imported_function_count + i].body =
            (kp_wasm_span_t){kp_wasm_decode_offset(decoder), size};
        decoder->at += size;
    }
    return true;
}

/* ---- data ---- */

bool kp_wasm_decode_data_count(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    const uint8_t *begin = decoder->at;
    if (!kp_wasm_decode_u32(decoder, &decoder->data_wanted))
        return false;
    if (decoder->data_wanted > module->limits.data)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_LIMIT, begin, "too many data segments");
    module->has_data_count = true;
    return true;
}

static bool decode_data(kp_wasm_decoder_t *decoder, kp_wasm_data_t *data)
{
    kp_wasm_module_t *module = decoder->module;
    const uint8_t *begin = decoder->at;
    uint32_t flags, size;
    if (!kp_wasm_decode_u32(decoder, &flags))
        return false;
    if (flags > 2 || (flags == 1 && !(module->features & KP_WASM_FEATURE_BULK_MEMORY)))
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin,
                                   "malformed data segment kind");
    data->mode = flags == 1 ? KP_WASM_SEGMENT_PASSIVE : KP_WASM_SEGMENT_ACTIVE;
    if (flags != 1) {
        const uint8_t *at = decoder->at;
        if (flags == 2 && !kp_wasm_decode_u32(decoder, &data->memory))
            return false;
        if (data->memory >= module->memory_count)
            return kp_wasm_decode_unknown(decoder, at, "unknown memory", data->memory);
        const kp_wasm_memory_t *memory = &module->memories[data->memory];
        if (!kp_wasm_decode_constant(decoder, kp_wasm_size_index_type(&memory->size),
                                     module->global_count, &data->offset))
            return false;
    }
    if (!kp_wasm_decode_u32(decoder, &size))
        return false;
    if (size > (size_t)(decoder->end - decoder->at))
        return kp_wasm_decode_malformed(decoder, "unexpected end of section or function");
    data->bytes = (kp_wasm_span_t){kp_wasm_decode_offset(decoder), size};
    decoder->at += size;
    return true;
}

bool kp_wasm_decode_data(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    uint32_t count;
    if (!kp_wasm_decode_count(decoder, module->limits.data, 2, "too many data segments", &count))
        return false;
    decoder->seen_data = true;
    if (module->has_data_count && count != decoder->data_wanted)
        return kp_wasm_decode_malformed(decoder,
                                        "data count and data section have inconsistent lengths");
    module->data = kp_wasm_module_allocate(decoder, count, sizeof(*module->data));
    if (!module->data)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!decode_data(decoder, &module->data[i]))
            return false;
    }
    module->data_count = count;
    return true;
}

/* ---- custom sections ---- */

bool kp_wasm_decode_custom(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    kp_wasm_custom_t custom;
    if (!kp_wasm_decode_name(decoder, &custom.name))
        return false;
    custom.content =
        (kp_wasm_span_t){kp_wasm_decode_offset(decoder), (uint32_t)(decoder->end - decoder->at)};
    decoder->at = decoder->end;
    if (!kp_wasm_module_grow(decoder, (void **)&module->customs, &decoder->custom_capacity,
                             module->custom_count + 1, sizeof(*module->customs)))
        return false;
    module->customs[module->custom_count++] = custom;
    return true;
}

/* One subsection "function names": its entries' offsets into `names`. False: it is malformed. */
static bool read_function_names(const kp_wasm_module_t *module, const uint8_t *at,
                                const uint8_t *end, uint32_t *names)
{
    uint32_t count, index, size;
    if (kp_wasm_read_u32(&at, end, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (kp_wasm_read_u32(&at, end, &index))
            return false;
        const uint8_t *name = at;
        if (kp_wasm_read_u32(&at, end, &size) || size > (size_t)(end - at) ||
            !kp_wasm_utf8_valid(at, size))
            return false;
        if (index < module->function_count)
            names[index] = (uint32_t)(name - module->bytes);
        at += size;
    }
    return true;
}

/* Source: specification, appendix "Custom Sections / Name Section". What is wrong with it is no
   error of the module: the names end there. */
bool kp_wasm_decode_names(kp_wasm_decoder_t *decoder)
{
    kp_wasm_module_t *module = decoder->module;
    const kp_wasm_custom_t *section = NULL;
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const kp_wasm_custom_t *custom = &module->customs[i];
        if (custom->name.size == 4 &&
            memcmp(kp_wasm_module_at(module, custom->name), "name", 4) == 0)
            section = custom;
    }
    if (!section)
        return true;
    const uint8_t *at = kp_wasm_module_at(module, section->content);
    const uint8_t *end = at + section->content.size;
    while (at < end) {
        uint8_t id = *at++;
        uint32_t size;
        if (kp_wasm_read_u32(&at, end, &size) || size > (size_t)(end - at))
            return true;
        if (id == 0) {
            const uint8_t *name = at;
            uint32_t length;
            if (!kp_wasm_read_u32(&name, at + size, &length) &&
                length <= (size_t)(at + size - name) && kp_wasm_utf8_valid(name, length))
                module->module_name = (kp_wasm_span_t){(uint32_t)(name - module->bytes), length};
        } else if (id == 1 && !module->function_names) {
            module->function_names =
                kp_wasm_module_allocate(decoder, module->function_count, sizeof(uint32_t));
            if (!module->function_names)
                return false;
            if (!read_function_names(module, at, at + size, module->function_names))
                return true;
        }
        at += size;
    }
    return true;
}

kp_wasm_span_t kp_wasm_module_function_name(const kp_wasm_module_t *module, uint32_t function)
{
    uint32_t offset = module->function_names && function < module->function_count
                          ? module->function_names[function]
                          : 0;
    if (offset == 0)
        return (kp_wasm_span_t){0, 0};
    const uint8_t *at = module->bytes + offset;
    uint32_t size = kp_wasm_leb_u32_trusted(&at);
    return (kp_wasm_span_t){(uint32_t)(at - module->bytes), size};
}
