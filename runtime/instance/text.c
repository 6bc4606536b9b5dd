/* What people read of traps and imports. */
#include "runtime/instance/internal.h"

enum {
    NAME_SHOWN = 200, /* characters */
    TYPES_SHOWN = 32,
};

typedef struct kp_wasm_text {
    char *at, *end;
} kp_wasm_text_t;

__attribute__((noinline)) static void text_bytes(kp_wasm_text_t *text, const char *bytes,
                                                 size_t size)
{
    size_t room = (size_t)(text->end - text->at);
    size = size < room ? size : room;
    if (size)
        memcpy(text->at, bytes, size);
    text->at += size;
}

__attribute__((noinline)) static void text_string(kp_wasm_text_t *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

static void text_number(kp_wasm_text_t *text, uint64_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    text_bytes(text, digits + at, sizeof digits - at);
}

/* Size in bytes of the character; the bytes are UTF-8, checked. */
static size_t character(const uint8_t *at, uint32_t *code)
{
    static const uint8_t first_mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    *code = at[0] & first_mask[size];
    for (size_t i = 1; i < size; i++)
        *code = *code << 6 | (at[i] & 0x3f);
    return size;
}

/* May not go to a person's terminal: control characters, ends of lines, what turns the direction of text. */
static bool is_hidden(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c ||
           (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* Names come from the module: as the text format writes what cannot be shown, and cut when long. */
__attribute__((noinline)) static void text_name(kp_wasm_text_t *out, const kp_wasm_module_t *module,
                                                kp_wasm_span_t name)
{
    const uint8_t *at = kp_wasm_module_at(module, name), *end = at + name.size;
    for (uint32_t shown = 0; at < end; shown++) {
        if (shown == NAME_SHOWN) {
            text_string(out, "...");
            return;
        }
        uint32_t code;
        size_t size = character(at, &code);
        if (is_hidden(code)) {
            text_string(out, "\\u{");
            text_number(out, code, 16);
            text_string(out, "}");
        } else {
            text_bytes(out, (const char *)at, size);
        }
        at += size;
    }
}

/* One line of the backtrace, without its newline. */
static void text_frame(kp_wasm_text_t *out, const kp_wasm_backtrace_frame_t *frame)
{
    if (!frame->module) {
        text_string(out, "(host)");
        return;
    }
    kp_wasm_span_t name = kp_wasm_module_function_name(frame->module, frame->function);
    if (name.size) {
        text_name(out, frame->module, name);
    } else {
        text_string(out, "(no name)");
    }
    text_string(out, " (function ");
    text_number(out, frame->function, 10);
    if (frame->offset != KP_WASM_OFFSET_UNKNOWN) {
        text_string(out, ", offset 0x");
        text_number(out, frame->offset, 16);
    }
    text_string(out, ")");
}

/* How many of the frames after `first` are the same: a recursion's. */
static uint32_t frame_repeats(const kp_wasm_trap_t *trap, uint32_t first)
{
    const kp_wasm_backtrace_frame_t *a = &trap->frames[first], *b = a + 1;
    uint32_t count = 0;
    for (; first + 1 + count < trap->frame_count; count++, b++) {
        if (b->module != a->module || b->function != a->function || b->offset != a->offset ||
            b->instance != a->instance)
            break;
    }
    return count;
}

size_t kp_wasm_trap_print(const kp_wasm_trap_t *trap, char *text, size_t size)
{
    if (size == 0)
        return 0;
    kp_wasm_text_t out = {text, text + size - 1};
    text_string(&out, kp_wasm_trap_text(trap->code));
    if (trap->code == KP_WASM_TRAP_HOST) {
        text_string(&out, ": ");
        text_string(&out, kp_status_text(trap->status));
    }
    for (uint32_t i = 0, repeats; i < trap->frame_count; i += repeats + 1) {
        repeats = frame_repeats(trap, i);
        text_string(&out, "\n  at ");
        text_frame(&out, &trap->frames[i]);
        if (repeats < 2) {
            repeats = 0; /* a second line tells as much */
            continue;
        }
        text_string(&out, "\n  ... ");
        text_number(&out, repeats, 10);
        text_string(&out, " more frames like the last");
    }
    if (trap->frame_total > trap->frame_count) {
        text_string(&out, "\n  and ");
        text_number(&out, trap->frame_total - trap->frame_count, 10);
        text_string(&out, " more");
    }
    *out.at = 0;
    return (size_t)(out.at - text);
}

/* ---- imports ---- */

static void text_types(kp_wasm_text_t *out, const char *what, const kp_wasm_type_t *types,
                       uint32_t count)
{
    if (count == 0)
        return;
    text_string(out, " (");
    text_string(out, what);
    for (uint32_t i = 0; i < count; i++) {
        text_string(out, " ");
        if (i == TYPES_SHOWN) {
            text_string(out, "...");
            break;
        }
        text_string(out, kp_wasm_type_name(types[i]));
    }
    text_string(out, ")");
}

static void text_signature(kp_wasm_text_t *out, const kp_wasm_functype_t *type)
{
    text_types(out, "param", kp_wasm_functype_parameters(type), type->parameter_count);
    text_types(out, "result", kp_wasm_functype_results(type), type->result_count);
}

static void text_range(kp_wasm_text_t *out, const kp_wasm_size_range_t *range)
{
    if (range->is_64)
        text_string(out, " i64");
    text_string(out, " ");
    text_number(out, range->minimum, 10);
    if (range->has_maximum) {
        text_string(out, " ");
        text_number(out, range->maximum, 10);
    }
    if (range->shared)
        text_string(out, " shared");
}

static void text_global(kp_wasm_text_t *out, kp_wasm_type_t type, bool mutable)
{
    text_string(out, mutable ? " (mut " : " ");
    text_string(out, kp_wasm_type_name(type));
    text_string(out, mutable ? ")" : "");
}

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {"(func", "(table", "(memory", "(global", "(tag"};
    return kind < sizeof names / sizeof names[0] ? names[kind] : "(unknown";
}

/* The type that the module wants, as its text format has it. */
static void text_wanted(kp_wasm_text_t *out, const kp_wasm_module_t *module,
                        const kp_wasm_import_t *import)
{
    text_string(out, kind_name(import->kind));
    switch (import->kind) {
    case KP_WASM_EXTERNAL_FUNCTION:
        text_signature(out, kp_wasm_module_function_type(module, import->index));
        break;
    case KP_WASM_EXTERNAL_TABLE:
        text_range(out, &module->tables[import->index].size);
        text_string(out, " ");
        text_string(out, kp_wasm_type_name(module->tables[import->index].type));
        break;
    case KP_WASM_EXTERNAL_MEMORY:
        text_range(out, &module->memories[import->index].size);
        break;
    case KP_WASM_EXTERNAL_GLOBAL:
        text_global(out, module->globals[import->index].type,
                    module->globals[import->index].mutable);
        break;
    default:
        text_signature(out, &module->types[module->tags[import->index].type]);
    }
    text_string(out, ")");
}

static void text_given(kp_wasm_text_t *out, const kp_wasm_extern_t *given)
{
    kp_wasm_size_range_t range;
    text_string(out, kind_name(given->kind));
    switch (given->kind) {
    case KP_WASM_EXTERNAL_FUNCTION:
        text_signature(out, given->function->signature);
        break;
    case KP_WASM_EXTERNAL_TABLE:
        range = given->table->range;
        range.minimum = given->table->size;
        text_range(out, &range);
        text_string(out, " ");
        text_string(out, kp_wasm_type_name(given->table->type));
        break;
    case KP_WASM_EXTERNAL_MEMORY:
        range = given->memory->type;
        range.minimum = kp_wasm_meminst_size(given->memory) / KP_WASM_PAGE;
        text_range(out, &range);
        break;
    case KP_WASM_EXTERNAL_GLOBAL:
        text_global(out, given->global->type, given->global->mutable);
        break;
    default:
        text_signature(out, given->tag->signature);
    }
    text_string(out, ")");
}

size_t kp_wasm_import_print(const kp_wasm_module_t *module, uint32_t index,
                            const kp_wasm_extern_t *given, char *text, size_t size)
{
    if (size == 0)
        return 0;
    kp_wasm_text_t out = {text, text + size - 1};
    const kp_wasm_import_t *import = &module->imports[index];
    text_string(&out, "import \"");
    text_name(&out, module, import->module);
    text_string(&out, "\" \"");
    text_name(&out, module, import->name);
    text_string(&out, "\" ");
    text_wanted(&out, module, import);
    if (given) {
        text_string(&out, ", given ");
        if (given->function)
            text_given(&out, given);
        else
            text_string(&out, "nothing");
    }
    *out.at = 0;
    return (size_t)(out.at - text);
}
