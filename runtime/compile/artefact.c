/* From functions to artefacts: all of a module at once, ranges of it (lazy compilation), or parts that
   several workers make and one joins (parallel compilation). */
#include "runtime/compile/internal.h"

enum {
    CODE_MAXIMUM = 1 << 30,
    /* More code than this for each byte of bodies, above a floor, only hostile modules make (real ones
       are below 3); it bounds what they cost. */
    CODE_FACTOR = 24,
    CODE_FLOOR = 16 << 20,
};

struct kp_wasm_part {
    kp_compiler_t compiler;
};

kp_wasm_compile_options_t kp_wasm_compile_options_init(kp_wasm_allocator_t allocator)
{
    return (kp_wasm_compile_options_t){
        .allocator = allocator,
        .flags = KP_WASM_COMPILE_GUARDED,
        .cpu = kp_wasm_cpu_features(),
        .code_maximum = 512 << 20,
    };
}

static bool types_use_simd(const kp_wasm_module_t *module)
{
    for (uint32_t i = 0; i < module->type_byte_count; i++)
        if (module->type_bytes[i] == KP_WASM_TYPE_V128)
            return true;
    for (uint32_t i = 0; i < module->global_count; i++)
        if (module->globals[i].type == KP_WASM_TYPE_V128)
            return true;
    return false;
}

static uint32_t own_count(const kp_wasm_module_t *module)
{
    return module->function_count - module->imported_function_count;
}

static size_t code_maximum(const kp_wasm_module_t *module, const kp_wasm_compile_options_t *options)
{
    uint64_t most = (uint64_t)CODE_FACTOR * module->code.size + CODE_FLOOR;
    most = most < options->code_maximum ? most : options->code_maximum;
    return most < CODE_MAXIMUM ? most : CODE_MAXIMUM;
}

static kp_status_t fail_memory(kp_wasm_error_t *error)
{
    if (error)
        *error = (kp_wasm_error_t){.status = KP_ERR_NO_MEMORY,
                                   .kind = KP_WASM_ERROR_MEMORY,
                                   .function = KP_WASM_NO_FUNCTION,
                                   .reason = "out of memory"};
    return KP_ERR_NO_MEMORY;
}

/* ---- a range of functions ---- */

static void *allocate(const kp_compiler_t *c, size_t size)
{
    return c->options.allocator.resize(c->options.allocator.context, NULL, 0, size);
}

static void discard(const kp_compiler_t *c, void *memory, size_t size)
{
    if (memory)
        c->options.allocator.resize(c->options.allocator.context, memory, size, 0);
}

static size_t table_size(const kp_compiler_t *c)
{
    return ((size_t)(c->end - c->first) + 1) * sizeof(uint32_t);
}

static size_t foreign_size(const kp_compiler_t *c)
{
    return (size_t)own_count(c->module) * sizeof(uint32_t);
}

/* What only the pass itself needs. */
static void work_free(kp_compiler_t *c)
{
    discard(c, c->stack, c->stack_capacity * sizeof *c->stack);
    discard(c, c->locals, c->local_capacity * sizeof *c->locals);
    discard(c, c->weights, c->local_capacity * sizeof *c->weights);
    discard(c, c->controls, c->control_capacity * sizeof *c->controls);
    discard(c, c->slow, c->slow_capacity * sizeof *c->slow);
    c->stack = NULL;
    c->locals = NULL;
    c->weights = NULL;
    c->controls = NULL;
    c->slow = NULL;
}

static void range_free(kp_compiler_t *c)
{
    work_free(c);
    discard(c, c->code.base, (size_t)(c->code.end - c->code.base));
    discard(c, c->offsets, table_size(c));
    discard(c, c->clause_first, table_size(c));
    discard(c, c->foreign, foreign_size(c));
    discard(c, c->clauses, c->clause_capacity * sizeof *c->clauses);
}

/* Compiles functions [first, first + count). Behind a page for the header; on success offsets and
   clause_first are complete. The caller frees by range_free, whatever happens. */
static kp_status_t range_compile(kp_compiler_t *c, const kp_wasm_module_t *module,
                                 const kp_wasm_compile_options_t *options, uint32_t first,
                                 uint32_t count, kp_wasm_error_t *error)
{
    memset(c, 0, sizeof *c);
    c->module = module;
    c->options = *options;
    c->first = first;
    c->end = first + count;
    c->avx = options->cpu & KP_WASM_CPU_AVX;
    c->bmi2 = options->cpu & KP_WASM_CPU_BMI2;
    c->lzcnt = options->cpu & KP_WASM_CPU_LZCNT;
    c->tzcnt = options->cpu & KP_WASM_CPU_TZCNT;
    c->layout = kp_wasm_instance_layout(module);
    c->module_simd = types_use_simd(module);
    c->code.allocator = options->allocator;
    c->code.maximum = code_maximum(module, options);
    size_t table = table_size(c);
    bool has_foreign = !(options->flags & KP_WASM_COMPILE_LAZY) && count < own_count(module);
    c->offsets = allocate(c, table);
    c->clause_first = allocate(c, table);
    c->stack_capacity = 256;
    c->stack = allocate(c, c->stack_capacity * sizeof *c->stack);
    if (has_foreign)
        c->foreign = allocate(c, foreign_size(c));
    if (!c->offsets || !c->clause_first || !c->stack || (has_foreign && !c->foreign))
        return fail_memory(error);
    memset(c->offsets, 0, table);
    if (has_foreign)
        memset(c->foreign, 0, foreign_size(c));
    /* A first guess at the size of the code saves most of the copying. */
    size_t bytes = 0;
    for (uint32_t i = first; i < c->end; i++)
        bytes += module->functions[i + module->imported_function_count].body.size;
    size_t guess = KP_WASM_CODE_PAGE + KP_ROOM + bytes * 3;
    kp_status_t status =
        kp_asm_reserve(&c->code, guess < c->code.maximum ? guess : KP_WASM_CODE_PAGE);
    if (status != KP_OK)
        return status == KP_ERR_NO_MEMORY ? fail_memory(error) : status;
    memset(c->code.at, 0, KP_WASM_CODE_PAGE);
    c->code.at += KP_WASM_CODE_PAGE;
    kp_wasm_visitor_t visitor;
    kp_wasm_visitor_init(&visitor, module, options->allocator);
    for (c->current = first; status == KP_OK && c->current < c->end; c->current++) {
        c->clause_first[c->current - first] = c->clause_count;
        status = kp_wasm_body_visit(&visitor, c->current + module->imported_function_count,
                                    &kp_compiler_sink, c, error);
    }
    kp_wasm_visitor_clear(&visitor);
    if (status == KP_OK) {
        c->offsets[count] = kp_asm_here(&c->code);
        c->clause_first[count] = c->clause_count;
    }
    return status;
}

/* ---- the artefact ---- */

/* Behind the code: the tables; before it: the header. */
static kp_status_t artefact_finish(kp_compiler_t *c, kp_wasm_artefact_t *artefact)
{
    uint32_t functions = c->end - c->first;
    size_t table = table_size(c);
    uint32_t code_end = kp_asm_here(&c->code);
    size_t tables = c->clause_count ? table * 2 + c->clause_count * sizeof *c->clauses : table;
    kp_status_t status = kp_asm_reserve(&c->code, tables + 16);
    if (status != KP_OK)
        return status;
    while (kp_asm_here(&c->code) & 15)
        kp_asm_u8(&c->code, 0xcc);
    kp_wasm_code_header_t header = {
        .version = (uint32_t)KP_WASM_CODE_VERSION << 16 | KP_WASM_LAYOUT_VERSION,
        .cpu = c->options.cpu,
        .flags = c->options.flags,
        .first_function = c->first,
        .function_count = functions,
        .clause_count = c->clause_count,
        .code = KP_WASM_CODE_PAGE,
        .code_size = code_end - KP_WASM_CODE_PAGE,
        .tables = kp_asm_here(&c->code),
        .module_size = c->module->size,
    };
    memcpy(header.magic, KP_WASM_CODE_MAGIC, sizeof header.magic);
    memcpy(c->code.at, c->offsets, table);
    c->code.at += table;
    if (c->clause_count) {
        memcpy(c->code.at, c->clause_first, table);
        c->code.at += table;
        memcpy(c->code.at, c->clauses, c->clause_count * sizeof *c->clauses);
        c->code.at += c->clause_count * sizeof *c->clauses;
    }
    header.size = kp_asm_here(&c->code);
    memcpy(c->code.base, &header, sizeof header);
    size_t capacity = (size_t)(c->code.end - c->code.base);
    void *bytes = c->options.allocator.resize(c->options.allocator.context, c->code.base, capacity,
                                              header.size);
    if (!bytes)
        return KP_ERR_NO_MEMORY;
    c->code.base = c->code.end = NULL;
    *artefact = (kp_wasm_artefact_t){bytes, header.size, c->options.allocator};
    return KP_OK;
}

kp_status_t kp_wasm_compile_range(const kp_wasm_module_t *module,
                                  const kp_wasm_compile_options_t *options, uint32_t first,
                                  uint32_t count, kp_wasm_artefact_t *artefact,
                                  kp_wasm_error_t *error)
{
    kp_compiler_t compiler;
    *artefact = (kp_wasm_artefact_t){0};
    if (first > own_count(module) || count > own_count(module) - first ||
        (count < own_count(module) && !(options->flags & KP_WASM_COMPILE_LAZY)))
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = range_compile(&compiler, module, options, first, count, error);
    if (status == KP_OK)
        status = artefact_finish(&compiler, artefact);
    range_free(&compiler);
    return status;
}

kp_status_t kp_wasm_compile(const kp_wasm_module_t *module,
                            const kp_wasm_compile_options_t *options, kp_wasm_artefact_t *artefact,
                            kp_wasm_error_t *error)
{
    return kp_wasm_compile_range(module, options, 0, own_count(module), artefact, error);
}

void kp_wasm_artefact_free(kp_wasm_artefact_t *artefact)
{
    if (artefact->bytes)
        artefact->allocator.resize(artefact->allocator.context, artefact->bytes, artefact->size, 0);
    *artefact = (kp_wasm_artefact_t){0};
}

/* ---- parts ---- */

kp_status_t kp_wasm_part_compile(const kp_wasm_module_t *module,
                                 const kp_wasm_compile_options_t *options, uint32_t first,
                                 uint32_t count, kp_wasm_part_t **result, kp_wasm_error_t *error)
{
    *result = NULL;
    if (first > own_count(module) || count > own_count(module) - first ||
        (options->flags & KP_WASM_COMPILE_LAZY))
        return KP_ERR_INVALID_ARGUMENT;
    kp_wasm_part_t *part =
        options->allocator.resize(options->allocator.context, NULL, 0, sizeof *part);
    if (!part)
        return fail_memory(error);
    kp_status_t status = range_compile(&part->compiler, module, options, first, count, error);
    if (status != KP_OK) {
        kp_wasm_part_free(part);
        return status;
    }
    work_free(&part->compiler);
    *result = part;
    return KP_OK;
}

void kp_wasm_part_free(kp_wasm_part_t *part)
{
    if (!part)
        return;
    kp_wasm_allocator_t allocator = part->compiler.options.allocator;
    range_free(&part->compiler);
    allocator.resize(allocator.context, part, sizeof *part, 0);
}

/* Copies a part behind what is there. */
static void part_append(kp_compiler_t *whole, const kp_compiler_t *part)
{
    uint32_t functions = part->end - part->first;
    if (functions == 0)
        return;
    while (kp_asm_here(&whole->code) & (KP_FUNCTION_ALIGNMENT - 1))
        kp_asm_u8(&whole->code, 0xcc);
    uint32_t shift = kp_asm_here(&whole->code) - KP_WASM_CODE_PAGE;
    size_t size = kp_asm_here(&part->code) - KP_WASM_CODE_PAGE;
    memcpy(whole->code.at, part->code.base + KP_WASM_CODE_PAGE, size);
    whole->code.at += size;
    for (uint32_t i = 0; i < functions; i++) {
        whole->offsets[part->first + i] = part->offsets[i] + shift;
        whole->clause_first[part->first + i] = part->clause_first[i] + whole->clause_count;
    }
    for (uint32_t i = 0; i < part->clause_count; i++) {
        kp_wasm_code_clause_t clause = part->clauses[i];
        clause.begin += shift;
        clause.end += shift;
        clause.landing += shift;
        whole->clauses[whole->clause_count++] = clause;
    }
}

/* Its calls to the other parts' functions. */
static void part_link(kp_compiler_t *whole, const kp_compiler_t *part)
{
    if (!part->foreign || part->end == part->first)
        return;
    uint32_t shift = whole->offsets[part->first] - part->offsets[0];
    for (uint32_t i = 0; i < own_count(whole->module); i++) {
        for (uint32_t site = part->foreign[i]; site;) {
            uint32_t next = kp_asm_read(&whole->code, site + shift);
            kp_asm_patch(&whole->code, site + shift, whole->offsets[i]);
            site = next;
        }
    }
}

kp_status_t kp_wasm_parts_join(kp_wasm_part_t *const *parts, uint32_t count,
                               kp_wasm_artefact_t *artefact)
{
    *artefact = (kp_wasm_artefact_t){0};
    if (count == 0)
        return KP_ERR_INVALID_ARGUMENT;
    kp_compiler_t compiler, *whole = &compiler;
    const kp_compiler_t *model = &parts[0]->compiler;
    memset(whole, 0, sizeof *whole);
    whole->module = model->module;
    whole->options = model->options;
    whole->code.allocator = model->options.allocator;
    whole->code.maximum = code_maximum(model->module, &model->options);
    whole->end = own_count(model->module);
    uint64_t code = KP_WASM_CODE_PAGE, clauses = 0;
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        const kp_compiler_t *part = &parts[i]->compiler;
        if (part->module != model->module || part->first != next ||
            part->options.flags != model->options.flags || part->options.cpu != model->options.cpu)
            return KP_ERR_INVALID_ARGUMENT;
        next = part->end;
        code += kp_asm_here(&part->code) - KP_WASM_CODE_PAGE + KP_FUNCTION_ALIGNMENT;
        clauses += part->clause_count;
    }
    if (next != whole->end)
        return KP_ERR_INVALID_ARGUMENT;
    whole->offsets = allocate(whole, table_size(whole));
    whole->clause_first = allocate(whole, table_size(whole));
    whole->clause_capacity = (uint32_t)clauses;
    if (clauses)
        whole->clauses = allocate(whole, (size_t)clauses * sizeof *whole->clauses);
    kp_status_t status = whole->offsets && whole->clause_first && (whole->clauses || !clauses)
                             ? KP_OK
                             : KP_ERR_NO_MEMORY;
    if (status == KP_OK)
        status = kp_asm_reserve(&whole->code, code + 2 * table_size(whole) +
                                                  clauses * sizeof *whole->clauses + 16);
    if (status == KP_OK) {
        memset(whole->code.at, 0, KP_WASM_CODE_PAGE); /* NOLINT: reserved above */
        whole->code.at += KP_WASM_CODE_PAGE;
        for (uint32_t i = 0; i < count; i++)
            part_append(whole, &parts[i]->compiler);
        whole->offsets[whole->end] = kp_asm_here(&whole->code);
        whole->clause_first[whole->end] = whole->clause_count;
        for (uint32_t i = 0; i < count; i++)
            part_link(whole, &parts[i]->compiler);
        status = artefact_finish(whole, artefact);
    }
    range_free(whole);
    return status;
}
