/* Artefacts become code in memory; the compiled tier. */
#include "runtime/compile/code.h"
#include "runtime/instance/platform.h"
#include "runtime/instance/x86_64.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct kp_wasm_code {
    kp_wasm_code_range_t range;
    kp_wasm_code_header_t header;
    kp_wasm_allocator_t allocator;
    uint8_t *mapping; /* of the code alone; NULL: somebody else's */
    size_t allocated;
    uint32_t tables[]; /* offsets, clause_first, clauses */
};

static uint32_t features_read(void)
{
    uint32_t features = 0;
#if defined(__x86_64__)
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE) && (c & bit_AVX)) {
        unsigned low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        if ((low & 6) == 6)
            features |= KP_WASM_CPU_AVX;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        if (b & bit_BMI)
            features |= KP_WASM_CPU_TZCNT;
        /* BMI2's instructions are encoded with VEX, which wants the system's consent to AVX. */
        if ((b & bit_BMI2) && (features & KP_WASM_CPU_AVX))
            features |= KP_WASM_CPU_BMI2;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d) && (c & bit_LZCNT))
        features |= KP_WASM_CPU_LZCNT;
#endif
    return features;
}

uint32_t kp_wasm_cpu_features(void)
{
    /* Under a hypervisor each question costs microseconds. */
    static uint32_t known; /* atomic; bit 31: it is */
    uint32_t features = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (!features) {
        features = features_read() | 1u << 31;
        __atomic_store_n(&known, features, __ATOMIC_RELAXED);
    }
    return features & ~(1u << 31);
}

static bool offsets_valid(const uint32_t *offsets, uint32_t count, uint32_t low, uint32_t high)
{
    for (uint32_t i = 0; i <= count; i++) {
        if (offsets[i] < low || offsets[i] > high)
            return false;
        low = offsets[i];
    }
    return true;
}

static size_t mapping_size(const kp_wasm_code_t *code)
{
    return code->header.code_size ? code->header.code_size : 1;
}

/* The shape: parts inside, in order, ascending. */
static bool header_valid(const kp_wasm_code_header_t *header, size_t size,
                         const kp_wasm_module_t *module)
{
    uint32_t functions = module->function_count - module->imported_function_count;
    uint64_t tables = ((uint64_t)header->function_count + 1) * 4;
    if (header->clause_count)
        tables = tables * 2 + (uint64_t)header->clause_count * sizeof(kp_wasm_code_clause_t);
    return memcmp(header->magic, KP_WASM_CODE_MAGIC, sizeof header->magic) == 0 &&
           header->size == size && header->code == KP_WASM_CODE_PAGE &&
           header->module_size == module->size && header->first_function <= functions &&
           header->function_count <= functions - header->first_function &&
           header->tables % 16 == 0 && header->tables <= size && tables <= size - header->tables &&
           header->code <= header->tables && header->code_size <= header->tables - header->code;
}

static kp_status_t load(const void *artefact, size_t size, const void *mapped,
                        const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                        kp_wasm_code_t **result)
{
    const uint8_t *bytes = artefact;
    kp_wasm_code_header_t header;
    *result = NULL;
    if (size < sizeof header)
        return KP_ERR_BAD_FORMAT;
    memcpy(&header, bytes, sizeof header);
    if (header.version != ((uint32_t)KP_WASM_CODE_VERSION << 16 | KP_WASM_LAYOUT_VERSION) ||
        (header.cpu & ~kp_wasm_cpu_features()))
        return KP_ERR_NOT_SUPPORTED;
    if (!header_valid(&header, size, module))
        return KP_ERR_BAD_FORMAT;
    size_t table_bytes = size - header.tables, allocated = sizeof(kp_wasm_code_t) + table_bytes;
    kp_wasm_code_t *code = allocator.resize(allocator.context, NULL, 0, allocated);
    if (!code)
        return KP_ERR_NO_MEMORY;
    memset(code, 0, sizeof *code);
    code->allocator = allocator;
    code->allocated = allocated;
    code->header = header;
    memcpy(code->tables, bytes + header.tables, table_bytes);
    kp_wasm_code_range_t *range = &code->range;
    uint32_t functions = header.function_count;
    range->offsets = code->tables;
    bool valid =
        offsets_valid(range->offsets, functions, header.code, header.code + header.code_size);
    if (header.clause_count) {
        range->clause_first = code->tables + functions + 1;
        range->clauses = (const kp_wasm_code_clause_t *)(range->clause_first + functions + 1);
        valid = valid && offsets_valid(range->clause_first, functions, 0, header.clause_count);
    }
    kp_status_t status = valid ? KP_OK : KP_ERR_BAD_FORMAT;
    if (status == KP_OK && !mapped) {
        mapped = code->mapping = kp_wasm_platform_code_map(bytes + header.code, mapping_size(code));
        status = mapped ? KP_OK : KP_ERR_NO_MEMORY;
    }
    if (status != KP_OK) {
        allocator.resize(allocator.context, code, allocated, 0);
        return status;
    }
    /* Offsets count from the artefact's begin. */
    range->base = (const uint8_t *)((uintptr_t)mapped - header.code);
    range->size = header.code + header.code_size;
    range->module = module;
    range->first_function = header.first_function;
    range->function_count = functions;
    kp_wasm_code_register(range);
    *result = code;
    return KP_OK;
}

kp_status_t kp_wasm_code_load(const void *artefact, size_t size, const kp_wasm_module_t *module,
                              kp_wasm_allocator_t allocator, kp_wasm_code_t **code)
{
    return load(artefact, size, NULL, module, allocator, code);
}

kp_status_t kp_wasm_code_adopt(const void *artefact, size_t size, const void *mapped,
                               const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                               kp_wasm_code_t **code)
{
    *code = NULL;
    return mapped ? load(artefact, size, mapped, module, allocator, code) : KP_ERR_INVALID_ARGUMENT;
}

void kp_wasm_code_unload(kp_wasm_code_t *code)
{
    if (!code)
        return;
    kp_wasm_code_withdraw(&code->range);
    if (code->mapping)
        kp_wasm_platform_code_unmap(code->mapping, mapping_size(code));
    code->allocator.resize(code->allocator.context, code, code->allocated, 0);
}

uint32_t kp_wasm_code_first(const kp_wasm_code_t *code)
{
    return code->range.first_function;
}

uint32_t kp_wasm_code_count(const kp_wasm_code_t *code)
{
    return code->range.function_count;
}

kp_status_t kp_wasm_code_attach(const kp_wasm_code_t *code, kp_wasm_instance_t *instance)
{
    const kp_wasm_module_t *module = instance->module;
    if (code->range.module != module)
        return KP_ERR_INVALID_ARGUMENT;
    if (code->header.flags & KP_WASM_COMPILE_GUARDED)
        for (uint32_t i = 0; i < module->memory_count; i++)
            if (!module->memories[i].size.is_64 &&
                kp_wasm_instance_memory(instance, i)->kind != KP_WASM_MEMORY_GUARDED)
                return KP_ERR_BAD_STATE;
    for (uint32_t i = 0; i < code->range.function_count; i++) {
        kp_wasm_funcinst_t *function = &instance->functions[code->range.first_function + i];
        function->code = (const void *)((uintptr_t)code->range.base + code->range.offsets[i]);
        function->call = kp_wasm_x86_call;
    }
    return KP_OK;
}

static kp_status_t attach(kp_wasm_instance_t *instance, void *tier_module)
{
    const kp_wasm_code_t *code = tier_module;
    const kp_wasm_module_t *module = instance->module;
    if (code->range.function_count != module->function_count - module->imported_function_count)
        return KP_ERR_INVALID_ARGUMENT;
    return kp_wasm_code_attach(code, instance);
}

const kp_wasm_tier_t kp_wasm_compiled_tier = {.name = "compiled", .attach = attach};
