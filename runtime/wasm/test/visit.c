/* Bodies: what a sink is told, every opcode, proposals, limits and bombs. */
#include "tests/kp_test.h"

#include "runtime/wasm/body.h"
#include "runtime/wasm/test/builder.h"

/* ---- a sink that writes down what it sees ---- */

typedef struct record {
    kp_wasm_instruction_t instruction;
    uint32_t after, depth;
    kp_wasm_frame_t frame; /* a copy, where the instruction has one */
} record_t;

typedef struct recorder {
    record_t records[64];
    unsigned count;
    unsigned begun, ended;
    unsigned stop_at; /* this record returns KP_ERR_CANCELLED; 0: none */
    uint32_t locals;
} recorder_t;

static kp_status_t record_begin(void *context, kp_wasm_visitor_t *visitor)
{
    recorder_t *recorder = context;
    recorder->begun++;
    recorder->locals = visitor->local_count;
    return KP_OK;
}

static bool has_frame(uint16_t opcode)
{
    switch (kp_wasm_opcode_info[opcode].immediate) {
    case KP_WASM_IMMEDIATE_BLOCK:
    case KP_WASM_IMMEDIATE_TRY_TABLE:
    case KP_WASM_IMMEDIATE_LABEL:
        return true;
    default:
        return opcode == KP_WASM_OP_END || opcode == KP_WASM_OP_ELSE || opcode == KP_WASM_OP_RETURN;
    }
}

static kp_status_t record_one(void *context, kp_wasm_visitor_t *visitor,
                              const kp_wasm_instruction_t *instruction)
{
    recorder_t *recorder = context;
    if (recorder->count == sizeof(recorder->records) / sizeof(recorder->records[0]))
        return KP_ERR_BUFFER_TOO_SMALL;
    record_t *record = &recorder->records[recorder->count++];
    record->instruction = *instruction;
    record->after = visitor->height;
    record->depth = visitor->depth;
    if (has_frame(instruction->opcode))
        record->frame = *instruction->frame;
    for (uint32_t i = 0; i < visitor->height; i++)
        KP_EXPECT(visitor->operands[i] != KP_WASM_TYPE_BOTTOM || !instruction->reachable);
    return recorder->count == recorder->stop_at ? KP_ERR_CANCELLED : KP_OK;
}

static kp_status_t record_end(void *context, kp_wasm_visitor_t *visitor)
{
    (void)visitor;
    ((recorder_t *)context)->ended++;
    return KP_OK;
}

static const kp_wasm_sink_t sink = {record_begin, record_one, record_end, false};
static const kp_wasm_sink_t dead_sink = {record_begin, record_one, record_end, true};

/* Visits function 0 of the module (freed); the status. */
static kp_status_t visit(builder_t module_bytes, const kp_wasm_sink_t *to, recorder_t *recorder,
                         kp_wasm_error_t *error, const kp_wasm_options_t *given)
{
    test_memory_t memory = {.fail_at = -1};
    kp_wasm_options_t options = given ? *given : test_options(&memory);
    options.allocator = (kp_wasm_allocator_t){test_resize, &memory};
    kp_wasm_module_t *module;
    memset(error, 0, sizeof(*error));
    kp_status_t status =
        kp_wasm_module_decode(module_bytes.bytes, module_bytes.size, &options, &module, error);
    if (status == KP_OK) {
        kp_wasm_visitor_t visitor;
        kp_wasm_visitor_init(&visitor, module, options.allocator);
        status = kp_wasm_body_visit(&visitor, module->imported_function_count, to, recorder, error);
        kp_wasm_visitor_clear(&visitor);
    }
    kp_wasm_module_destroy(module);
    KP_EXPECT_INT(memory.live, 0);
    clear(&module_bytes);
    return status;
}

static void expect_opcodes(const recorder_t *recorder, const uint16_t *opcodes, unsigned count)
{
    KP_EXPECT_INT(recorder->count, count);
    for (unsigned i = 0; i < count && i < recorder->count; i++)
        KP_EXPECT_STRING(kp_wasm_opcode_name(recorder->records[i].instruction.opcode),
                         kp_wasm_opcode_name(opcodes[i]));
}

#define BODY(...)                 \
    ({                            \
        builder_t body_ = {0};    \
        put(&body_, __VA_ARGS__); \
        module_of_body(&body_);   \
    })

KP_TEST(sink_sees_heights_types_and_frames)
{
    static recorder_t recorder;
    recorder = (recorder_t){0};
    kp_wasm_error_t error;
    KP_EXPECT_INT(visit(BODY(1, 2, 0x7e, /* 2 locals of i64 */
                             0x41, 0x7f, /* i32.const -1 */
                             0x04, 0x7e, /* if (result i64) */
                             0x42, 5,    /*   i64.const 5 */
                             0x05,       /* else */
                             0x20, 1,    /*   local.get 1 */
                             0x0b,       /* end */
                             0x22, 0,    /* local.tee 0 */
                             0x1a,       /* drop */
                             0x0b),
                        &sink, &recorder, &error, NULL),
                  KP_OK);
    static const uint16_t opcodes[] = {
        KP_WASM_OP_I32_CONST, KP_WASM_OP_IF,        KP_WASM_OP_I64_CONST,
        KP_WASM_OP_ELSE,      KP_WASM_OP_LOCAL_GET, KP_WASM_OP_END,
        KP_WASM_OP_LOCAL_TEE, KP_WASM_OP_DROP,      KP_WASM_OP_END,
    };
    expect_opcodes(&recorder, opcodes, 9);
    KP_EXPECT(recorder.begun == 1 && recorder.ended == 1 && recorder.locals == 2);
    const record_t *r = recorder.records;
    KP_EXPECT_INT((int64_t)r[0].instruction.value, -1);
    KP_EXPECT(r[0].instruction.before == 0 && r[0].after == 1);
    KP_EXPECT_INT(r[0].instruction.next, r[1].instruction.offset);
    KP_EXPECT(r[1].frame.kind == KP_WASM_FRAME_IF && r[1].frame.result_count == 1 &&
              r[1].frame.results[0] == KP_WASM_TYPE_I64 && r[1].frame.height == 0);
    KP_EXPECT(r[1].instruction.before == 1 && r[1].after == 0 && r[1].depth == 2);
    KP_EXPECT(r[3].frame.kind == KP_WASM_FRAME_ELSE && r[3].instruction.reachable &&
              r[3].instruction.before == 1 && r[3].after == 0);
    KP_EXPECT(r[4].instruction.type == KP_WASM_TYPE_I64 && r[4].instruction.index == 1);
    KP_EXPECT(r[5].after == 1 && r[5].depth == 1 && !r[5].frame.branched);
    KP_EXPECT(r[7].instruction.type == KP_WASM_TYPE_I64 && r[7].after == 0);
    KP_EXPECT(r[8].frame.kind == KP_WASM_FRAME_FUNCTION && r[8].depth == 0);
}

KP_TEST(sink_skips_dead_code)
{
    static recorder_t recorder;
    kp_wasm_error_t error;
    for (int dead = 0; dead < 2; dead++) {
        recorder = (recorder_t){0};
        builder_t module = BODY(0, 0x02, 0x40,    /* block */
                                0x0c, 0,          /*   br 0 */
                                0x02, 0x40, 0x6a, /*   dead: block; i32.add is invalid here */
                                0x0b, 0x0b, 0x0b);
        module.bytes[module.size - 4] = 0x01; /* so: nop */
        KP_EXPECT_INT(visit(module, dead ? &dead_sink : &sink, &recorder, &error, NULL), KP_OK);
        static const uint16_t alive[] = {KP_WASM_OP_BLOCK, KP_WASM_OP_BR, KP_WASM_OP_END,
                                         KP_WASM_OP_END};
        static const uint16_t all[] = {
            KP_WASM_OP_BLOCK, KP_WASM_OP_BR,  KP_WASM_OP_BLOCK, KP_WASM_OP_NOP,
            KP_WASM_OP_END,   KP_WASM_OP_END, KP_WASM_OP_END,
        };
        expect_opcodes(&recorder, dead ? all : alive, dead ? 7 : 4);
        unsigned end = dead ? 5 : 2;
        KP_EXPECT(!recorder.records[end].instruction.reachable);
        KP_EXPECT(recorder.records[end].frame.branched);
        KP_EXPECT(recorder.records[end + 1].instruction.reachable);
    }
}

KP_TEST(else_after_dead_code_is_seen)
{
    static recorder_t recorder;
    recorder = (recorder_t){0};
    kp_wasm_error_t error;
    KP_EXPECT_INT(visit(BODY(0, 0x41, 0, 0x04, 0x7f, /* i32.const 0, if (result i32) */
                             0x00, 0x6a,             /* unreachable, i32.add of unknowns */
                             0x05, 0x41, 1, 0x0b,    /* else i32.const 1 end */
                             0x1a, 0x0b),
                        &sink, &recorder, &error, NULL),
                  KP_OK);
    static const uint16_t opcodes[] = {
        KP_WASM_OP_I32_CONST, KP_WASM_OP_IF,  KP_WASM_OP_UNREACHABLE, KP_WASM_OP_ELSE,
        KP_WASM_OP_I32_CONST, KP_WASM_OP_END, KP_WASM_OP_DROP,        KP_WASM_OP_END,
    };
    expect_opcodes(&recorder, opcodes, 8);
    KP_EXPECT(!recorder.records[3].instruction.reachable);
    KP_EXPECT(recorder.records[4].instruction.reachable);
    KP_EXPECT_INT(recorder.records[3].after, 0);
}

KP_TEST(br_table_targets_and_loops)
{
    static recorder_t recorder;
    recorder = (recorder_t){0};
    kp_wasm_error_t error;
    KP_EXPECT_INT(visit(BODY(0, 0x02, 0x40, 0x03, 0x40,       /* block, loop */
                             0x41, 0, 0x0e, 2, 0, 0x81, 0, 2, /* br_table 0 1, default 2 */
                             0x0b, 0x0b, 0x0b),
                        &sink, &recorder, &error, NULL),
                  KP_OK);
    KP_REQUIRE(recorder.count == 7);
    KP_EXPECT_INT(recorder.records[3].instruction.opcode, KP_WASM_OP_BR_TABLE);
    kp_wasm_targets_t targets = recorder.records[3].instruction.targets;
    KP_EXPECT_INT(targets.left, 3);
    KP_EXPECT_INT(recorder.records[4].frame.kind, KP_WASM_FRAME_LOOP);
    KP_EXPECT(recorder.records[4].frame.branched && recorder.records[5].frame.branched &&
              recorder.records[6].frame.branched);
}

/* The targets are read while the module lives. */
static kp_status_t read_targets(void *context, kp_wasm_visitor_t *visitor,
                                const kp_wasm_instruction_t *instruction)
{
    uint32_t *seen = context;
    if (instruction->opcode == KP_WASM_OP_BR_TABLE) {
        kp_wasm_targets_t targets = instruction->targets;
        while (kp_wasm_targets_next(&targets, &seen[1 + seen[0]]))
            seen[0]++;
        KP_EXPECT_INT(kp_wasm_visitor_label(visitor, 0)->kind, KP_WASM_FRAME_LOOP);
    } else if (instruction->opcode == KP_WASM_OP_TRY_TABLE) {
        kp_wasm_targets_t targets = instruction->targets;
        kp_wasm_catch_t clause;
        while (kp_wasm_catches_next(&targets, &clause)) {
            seen[1 + seen[0]] = clause.kind;
            seen[2 + seen[0]] = clause.depth;
            seen[0] += 2;
        }
    }
    return KP_OK;
}

KP_TEST(targets_are_iterated)
{
    static const kp_wasm_sink_t reader = {.instruction = read_targets};
    kp_wasm_error_t error;
    uint32_t seen[16] = {0};
    KP_EXPECT_INT(
        visit(BODY(0, 0x02, 0x40, 0x03, 0x40, 0x41, 0, 0x0e, 2, 0, 0x81, 0, 2, 0x0b, 0x0b, 0x0b),
              &reader, (void *)seen, &error, NULL),
        KP_OK);
    KP_EXPECT(seen[0] == 3 && seen[1] == 0 && seen[2] == 1 && seen[3] == 2);
    memset(seen, 0, sizeof(seen));
    KP_EXPECT_INT(
        visit(BODY(0, 0x02, 0x69, 0x1f, 0x40, 2, 2, 1, 3, 0, /* catch_all 1, catch_all_ref 0 */
                   0x0b, 0x00, 0x0b, 0x1a, 0x0b),
              &reader, (void *)seen, &error, NULL),
        KP_OK);
    KP_EXPECT(seen[0] == 4 && seen[1] == 2 && seen[2] == 1 && seen[3] == 3 && seen[4] == 0);
}

KP_TEST(sink_can_stop)
{
    static recorder_t recorder;
    recorder = (recorder_t){.stop_at = 2};
    kp_wasm_error_t error;
    KP_EXPECT_INT(visit(BODY(0, 0x01, 0x01, 0x01, 0x0b), &sink, &recorder, &error, NULL),
                  KP_ERR_CANCELLED);
    KP_EXPECT_INT(error.kind, KP_WASM_ERROR_SINK);
    KP_EXPECT_INT(error.status, KP_ERR_CANCELLED);
    KP_EXPECT_INT(recorder.count, 2);
    KP_EXPECT_INT(recorder.ended, 0);
}

/* ---- every opcode ---- */

/* A module in which index 0 of everything exists (memories and tables of that width), whose only
   function has one local of i32, and this code. */
static builder_t rich_module(const builder_t *code, bool wide)
{
    builder_t module = new_module(), part = {0};
    put(&module, 1, 4, 1, 0x60, 0, 0);
    put(&module, 3, 2, 1, 0);
    put(&part, 1, 0x70, wide ? 4 : 0, 1);
    put_section(&module, 4, &part);
    put(&part, 1, wide ? 7 : 3, 1, 1);
    put_section(&module, 5, &part);
    put(&part, 1, 0, 0);
    put_section(&module, 13, &part);
    put(&part, 1, 0x7f, 1, 0x41, 0, 0x0b);
    put_section(&module, 6, &part);
    put(&part, 1, 3, 0, 1, 0);
    put_section(&module, 9, &part);
    put(&part, 1);
    put_section(&module, 12, &part);
    builder_t body = {0};
    put(&body, 1, 1, 0x7f);
    put_bytes(&body, code->bytes, code->size);
    put_u(&part, 1);
    put_sized(&part, &body);
    put_section(&module, 10, &part);
    put(&part, 1, 1, 0);
    put_section(&module, 11, &part);
    return module;
}

/* The smallest immediates of a kind: all indices 0. */
static void put_immediate(builder_t *code, const kp_wasm_opcode_info_t *info)
{
    static const uint8_t zeros[16];
    switch (info->immediate) {
    case KP_WASM_IMMEDIATE_BLOCK:
        put(code, 0x40);
        break;
    case KP_WASM_IMMEDIATE_TRY_TABLE:
        put(code, 0x40, 1, 2, 0);
        break;
    case KP_WASM_IMMEDIATE_SELECT:
        put(code, 1, 0x7f);
        break;
    case KP_WASM_IMMEDIATE_HEAP_TYPE:
        put(code, 0x70);
        break;
    case KP_WASM_IMMEDIATE_MEMARG:
        put(code, info->argument, 0);
        break;
    case KP_WASM_IMMEDIATE_MEMARG_LANE:
        put(code, info->argument, 0, (16u >> info->argument) - 1);
        break;
    case KP_WASM_IMMEDIATE_LANE:
        put(code, info->argument - 1);
        break;
    case KP_WASM_IMMEDIATE_F32:
        put_bytes(code, zeros, 4);
        break;
    case KP_WASM_IMMEDIATE_F64:
        put_bytes(code, zeros, 8);
        break;
    case KP_WASM_IMMEDIATE_V128:
    case KP_WASM_IMMEDIATE_SHUFFLE:
        put_bytes(code, zeros, 16);
        break;
    case KP_WASM_IMMEDIATE_INDIRECT:
    case KP_WASM_IMMEDIATE_BR_TABLE:
    case KP_WASM_IMMEDIATE_TABLE_TABLE:
    case KP_WASM_IMMEDIATE_MEMORY_MEMORY:
    case KP_WASM_IMMEDIATE_ELEMENT_TABLE:
    case KP_WASM_IMMEDIATE_DATA_MEMORY:
        put(code, 0, 0);
        break;
    case KP_WASM_IMMEDIATE_NONE:
        break;
    default:
        put(code, 0);
        break;
    }
}

static void put_opcode(builder_t *code, unsigned opcode)
{
    static const uint8_t prefixes[] = {0xfc, 0xfd, 0xfe};
    if (opcode >= 0x100) {
        put_byte(code, prefixes[(opcode >> 8) - 1]);
        put_u(code, opcode & 0xff);
    } else {
        put_byte(code, opcode);
    }
}

static bool opens_block(unsigned opcode)
{
    unsigned immediate = kp_wasm_opcode_info[opcode].immediate;
    return immediate == KP_WASM_IMMEDIATE_BLOCK || immediate == KP_WASM_IMMEDIATE_TRY_TABLE;
}

/* unreachable; OP; unreachable; end: unknown operands of every type stand ready. */
static builder_t code_of(unsigned opcode)
{
    builder_t code = {0};
    put(&code, 0x00);
    if (opcode == KP_WASM_OP_ELSE)
        put(&code, 0x04, 0x40);
    put_opcode(&code, opcode);
    put_immediate(&code, &kp_wasm_opcode_info[opcode]);
    if (opcode == KP_WASM_OP_ELSE || opens_block(opcode))
        put(&code, 0x0b);
    if (opcode != KP_WASM_OP_END)
        put(&code, 0x00, 0x0b);
    return code;
}

KP_TEST(every_opcode_is_delivered)
{
    static recorder_t recorder;
    kp_wasm_error_t error;
    unsigned known = 0;
    for (unsigned opcode = 0; opcode < KP_WASM_OPCODE_COUNT; opcode++) {
        bool valid = kp_wasm_opcode_info[opcode].valid;
        known += valid;
        for (int wide = 0; wide < 2; wide++) {
            if (!valid && (opcode >= 0xfc && opcode < 0x100))
                continue; /* a prefix, or 0xff */
            recorder = (recorder_t){0};
            builder_t code = code_of(opcode);
            kp_status_t status =
                visit(rich_module(&code, wide), &dead_sink, &recorder, &error, NULL);
            clear(&code);
            unsigned at = opcode == KP_WASM_OP_ELSE ? 2 : 1;
            if (!valid) {
                KP_EXPECT(status == KP_ERR_BAD_FORMAT || status == KP_ERR_NOT_SUPPORTED);
                KP_EXPECT(strncmp(error.reason, "illegal opcode", 14) == 0);
            } else if (status != KP_OK) {
                KP_FAIL("%s: %s %s", kp_wasm_opcode_name((uint16_t)opcode), error.reason,
                        error.detail);
            } else {
                KP_EXPECT_INT(recorder.records[at].instruction.opcode, opcode);
                KP_EXPECT(recorder.records[at].instruction.reachable == false);
            }
        }
    }
    KP_EXPECT_INT(known, 509);
}

/* Each operand of the table, given as a wrong type, is rejected; the right ones are accepted and
   leave the result. */
static void put_value(builder_t *code, kp_wasm_type_t type)
{
    static const uint8_t zeros[16];
    switch (type) {
    case KP_WASM_TYPE_I32:
        put(code, 0x41, 0);
        break;
    case KP_WASM_TYPE_I64:
        put(code, 0x42, 0);
        break;
    case KP_WASM_TYPE_F32:
        put(code, 0x43, 0, 0, 0, 0);
        break;
    case KP_WASM_TYPE_F64:
        put(code, 0x44, 0, 0, 0, 0, 0, 0, 0, 0);
        break;
    default:
        put(code, 0xfd, 12);
        put_bytes(code, zeros, 16);
        break;
    }
}

static kp_status_t try_operands(unsigned opcode, int wrong, bool wide, kp_wasm_type_t *result)
{
    const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[opcode];
    static recorder_t recorder;
    recorder = (recorder_t){0};
    kp_wasm_error_t error;
    builder_t code = {0};
    for (int i = 0; i < info->pop_count; i++) {
        kp_wasm_type_t type = info->operand[i];
        if (type == KP_WASM_TYPE_ADDR)
            type = wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32;
        if (i == wrong)
            type = type == KP_WASM_TYPE_F32 ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_F32;
        put_value(&code, type);
    }
    put_opcode(&code, opcode);
    put_immediate(&code, info);
    *result = info->push;
    put(&code, 0x00, 0x0b);
    kp_status_t status = visit(rich_module(&code, wide), &sink, &recorder, &error, NULL);
    clear(&code);
    if (status == KP_OK && recorder.count > info->pop_count)
        KP_EXPECT_INT(recorder.records[info->pop_count].after, (info->push != KP_WASM_TYPE_NIL));
    else if (status != KP_OK)
        KP_EXPECT_STRING(error.reason, "type mismatch");
    return status;
}

KP_TEST(every_operand_is_checked)
{
    for (unsigned opcode = 0; opcode < KP_WASM_OPCODE_COUNT; opcode++) {
        const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[opcode];
        if (!info->valid || info->operand[0] == KP_WASM_TYPE_VAR || opcode == KP_WASM_OP_REF_FUNC)
            continue;
        for (int wide = 0; wide < 2; wide++) {
            kp_wasm_type_t result;
            KP_EXPECT_INT(try_operands(opcode, -1, wide, &result), KP_OK);
            for (int i = 0; i < info->pop_count; i++)
                KP_EXPECT_INT(try_operands(opcode, i, wide, &result), KP_ERR_BAD_FORMAT);
        }
    }
}

/* ---- proposals ---- */

KP_TEST(each_feature_can_be_off)
{
    for (unsigned opcode = 0; opcode < KP_WASM_OPCODE_COUNT; opcode++) {
        const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[opcode];
        if (!info->valid || info->feature == 0)
            continue;
        test_memory_t memory = {.fail_at = -1};
        kp_wasm_options_t options = test_options(&memory);
        options.features = KP_WASM_FEATURES_ALL & ~info->feature;
        builder_t code = {0};
        put(&code, 0x00);
        put_opcode(&code, opcode);
        put_immediate(&code, info);
        put(&code, 0x00, 0x0b, 0x0b);
        builder_t body = {0};
        put(&body, 0);
        put_bytes(&body, code.bytes, code.size);
        clear(&code);
        kp_wasm_error_t error;
        KP_EXPECT_INT(visit(module_of_body(&body), NULL, NULL, &error, &options),
                      KP_ERR_NOT_SUPPORTED);
        KP_EXPECT_INT(error.kind, KP_WASM_ERROR_UNSUPPORTED);
    }
}

KP_TEST(unknown_proposals_are_named)
{
    static const struct {
        uint8_t code[4];
        const char *detail;
    } cases[] = {
        {{0x06, 0x40, 0x0b}, "legacy exceptions: not supported"},
        {{0xfb, 0x00}, "garbage collection: not supported"},
        {{0x14, 0x00}, "function references: not supported"},
        {{0xfd, 0x80, 0x02}, "relaxed SIMD: not supported"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        builder_t body = {0};
        put(&body, 0);
        put_bytes(&body, cases[i].code, sizeof(cases[i].code));
        kp_wasm_error_t error;
        KP_EXPECT_INT(visit(module_of_body(&body), NULL, NULL, &error, NULL), KP_ERR_NOT_SUPPORTED);
        KP_EXPECT_STRING(error.detail, cases[i].detail);
    }
}

KP_TEST(a_function_that_is_no_body)
{
    builder_t body = {0};
    put(&body, 0, 0x0b);
    builder_t bytes = module_of_body(&body);
    test_memory_t memory = {.fail_at = -1};
    kp_wasm_options_t options = test_options(&memory);
    kp_wasm_module_t *module;
    kp_wasm_error_t error;
    KP_REQUIRE(kp_wasm_module_decode(bytes.bytes, bytes.size, &options, &module, &error) == KP_OK);
    kp_wasm_visitor_t visitor;
    kp_wasm_visitor_init(&visitor, module, options.allocator);
    KP_EXPECT_INT(kp_wasm_body_visit(&visitor, 1, NULL, NULL, &error), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_wasm_body_visit(&visitor, 0, NULL, NULL, NULL), KP_OK);
    kp_wasm_visitor_clear(&visitor);
    kp_wasm_module_destroy(module);
    clear(&bytes);
}

KP_TEST_MAIN()
