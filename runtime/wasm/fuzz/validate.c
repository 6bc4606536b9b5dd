/* Fuzz target: decode, validate, and visit every body with a sink that reads all it is told.
   The first byte chooses the features. */
#include <stdlib.h>
#include <string.h>

#include "runtime/wasm/body.h"
#include "runtime/wasm/constant.h"
#include "runtime/wasm/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* Sums what the sink may read, so that a sanitizer sees each access. */
typedef struct reader {
    uint64_t sum;
    uint32_t height, depth;
} reader_t;

static void read_frame(reader_t *reader, const kp_wasm_frame_t *frame)
{
    for (uint32_t i = 0; i < frame->parameter_count; i++)
        reader->sum += frame->parameters[i];
    for (uint32_t i = 0; i < frame->result_count; i++)
        reader->sum += frame->results[i];
}

static kp_status_t instruction(void *context, kp_wasm_visitor_t *visitor,
                               const kp_wasm_instruction_t *instruction)
{
    reader_t *reader = context;
    const kp_wasm_module_t *module = visitor->module;
    CHECK(instruction->opcode < KP_WASM_OPCODE_COUNT &&
          kp_wasm_opcode_info[instruction->opcode].valid);
    CHECK(instruction->offset < instruction->next && instruction->next <= module->size);
    CHECK(visitor->height <= module->limits.operands);
    CHECK(visitor->height <= visitor->height_maximum);
    for (uint32_t i = visitor->height > 4 ? visitor->height - 4 : 0; i < visitor->height; i++)
        CHECK(visitor->operands[i] != KP_WASM_TYPE_BOTTOM &&
              visitor->operands[i] != KP_WASM_TYPE_NIL);
    kp_wasm_targets_t targets = instruction->targets;
    kp_wasm_catch_t clause;
    uint32_t depth;
    switch (instruction->opcode) {
    case KP_WASM_OP_BLOCK:
    case KP_WASM_OP_LOOP:
    case KP_WASM_OP_IF:
    case KP_WASM_OP_ELSE:
    case KP_WASM_OP_BR:
    case KP_WASM_OP_BR_IF:
        read_frame(reader, instruction->frame);
        break;
    case KP_WASM_OP_END:
        read_frame(reader, instruction->frame);
        CHECK(visitor->height == instruction->frame->height + instruction->frame->result_count);
        break;
    case KP_WASM_OP_BR_TABLE:
        while (kp_wasm_targets_next(&targets, &depth)) {
            CHECK(depth < visitor->depth);
            read_frame(reader, kp_wasm_visitor_label(visitor, depth));
        }
        break;
    case KP_WASM_OP_TRY_TABLE:
        read_frame(reader, instruction->frame);
        while (kp_wasm_catches_next(&targets, &clause))
            CHECK(clause.kind < 4 && clause.depth + 1 < visitor->depth);
        break;
    default:
        break;
    }
    return KP_OK;
}

static void read_global(void *context, uint32_t global, uint64_t bits[2])
{
    (void)context;
    bits[0] = bits[1] = global;
}

static void read_module(const kp_wasm_module_t *module)
{
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++)
        kp_wasm_constant_evaluate(module, module->globals[i].initial, read_global, NULL);
    for (uint32_t i = 0; i < module->element_count; i++) {
        kp_wasm_items_t items = kp_wasm_items_begin(module, i);
        kp_wasm_constant_t item;
        uint32_t count = 0;
        while (kp_wasm_items_next(&items, &item)) {
            CHECK(item.kind != KP_WASM_CONSTANT_BITS);
            count++;
        }
        CHECK(count == module->elements[i].count);
        if (module->elements[i].mode == KP_WASM_SEGMENT_ACTIVE)
            kp_wasm_constant_evaluate(module, module->elements[i].offset, read_global, NULL);
    }
    for (uint32_t i = 0; i < module->data_count; i++) {
        if (module->data[i].mode == KP_WASM_SEGMENT_ACTIVE)
            kp_wasm_constant_evaluate(module, module->data[i].offset, read_global, NULL);
    }
    for (uint32_t i = 0; i < module->export_count; i++) {
        kp_wasm_span_t name = module->exports[i].name;
        CHECK(kp_wasm_module_find_export(module, (const char *)kp_wasm_module_at(module, name),
                                         name.size) == &module->exports[i]);
    }
    for (uint32_t i = 0; i < module->function_count; i++) {
        kp_wasm_span_t name = kp_wasm_module_function_name(module, i);
        CHECK(name.size <= module->size && name.offset <= module->size - name.size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const kp_wasm_sink_t sink = {.instruction = instruction};
    if (size < 1)
        return 0;
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    if (bytes[0] != 0)
        options.features = (kp_wasm_features_t)bytes[0] * 0x11;
    kp_wasm_module_t *module;
    kp_wasm_error_t error;
    if (kp_wasm_module_decode(bytes + 1, size - 1, &options, &module, &error) != KP_OK) {
        CHECK(error.status != KP_OK && error.reason && error.offset < size);
        return 0;
    }
    read_module(module);
    kp_wasm_visitor_t visitor;
    kp_wasm_visitor_init(&visitor, module, options.allocator);
    for (uint32_t i = module->imported_function_count; i < module->function_count; i++) {
        reader_t reader = {0};
        kp_status_t alone = kp_wasm_body_visit(&visitor, i, NULL, NULL, &error);
        /* A sink changes nothing about what is valid. */
        CHECK(kp_wasm_body_visit(&visitor, i, &sink, &reader, &error) == alone);
        CHECK(alone == KP_OK || error.offset < size);
    }
    kp_wasm_visitor_clear(&visitor);
    kp_wasm_module_destroy(module);
    return 0;
}
