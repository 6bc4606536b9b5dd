/* Calls from the host, traps and their backtraces, interruption. */
#include "runtime/instance/internal.h"

kp_status_t kp_wasm_call(kp_wasm_store_t *store, kp_wasm_funcinst_t *function,
                         kp_wasm_value_t *values)
{
    store->trap.code = KP_WASM_TRAP_NONE;
    store->trap.frame_count = 0;
    store->trap.frame_total = 0;
    store->pending = NULL;
    if (store->calls == 0) {
        uintptr_t here = (uintptr_t)__builtin_frame_address(0);
        uint64_t limit = here > store->options.stack_bytes ? here - store->options.stack_bytes : 0;
        store->stack_limit = limit;
        store->stack_base = here;
        store->exception_tried = false;
        if (store->exceptions)
            kp_wasm_stack_clear();
        __atomic_store_n(&store->head.stack_limit, limit, __ATOMIC_SEQ_CST);
        /* An interruption may have been asked for just before. */
        if (__atomic_load_n(&store->interrupt, __ATOMIC_SEQ_CST))
            __atomic_store_n(&store->head.stack_limit, UINT64_MAX, __ATOMIC_SEQ_CST);
    }
    store->calls++;
    kp_status_t status = function->call(function, NULL, values);
    store->calls--;
    return status;
}

kp_status_t kp_wasm_store_trap(kp_wasm_store_t *store, kp_wasm_trap_code_t code)
{
    store->trap.code = code;
    store->trap.status = KP_ERR_TRAP;
    store->trap.frame_count = 0;
    store->trap.frame_total = 0;
    return KP_ERR_TRAP;
}

void kp_wasm_store_trap_frame(kp_wasm_store_t *store, kp_wasm_instance_t *instance,
                              const kp_wasm_module_t *module, uint32_t function, uint32_t offset)
{
    kp_wasm_trap_t *trap = &store->trap;
    trap->frame_total++;
    if (trap->frame_count < KP_WASM_BACKTRACE_FRAMES)
        trap->frames[trap->frame_count++] =
            (kp_wasm_backtrace_frame_t){module, function, offset, instance};
}

bool kp_wasm_store_interrupted(kp_wasm_store_t *store)
{
    if (!__atomic_load_n(&store->interrupt, __ATOMIC_RELAXED))
        return false;
    /* The limit first: a request that comes between is then not lost. */
    __atomic_store_n(&store->head.stack_limit, store->stack_limit, __ATOMIC_SEQ_CST);
    __atomic_store_n(&store->interrupt, 0, __ATOMIC_SEQ_CST);
    return !store->options.interrupted ||
           store->options.interrupted(store->options.interrupted_context, store) != KP_OK;
}

/* ---- text ---- */

typedef struct kp_wasm_text {
    char *at, *end;
} kp_wasm_text_t;

static void text_bytes(kp_wasm_text_t *text, const char *bytes, size_t size)
{
    size_t room = (size_t)(text->end - text->at);
    size = size < room ? size : room;
    if (size)
        memcpy(text->at, bytes, size);
    text->at += size;
}

static void text_string(kp_wasm_text_t *text, const char *string)
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

/* One line of the backtrace, without its newline. */
static void text_frame(kp_wasm_text_t *out, const kp_wasm_backtrace_frame_t *frame)
{
    if (!frame->module) {
        text_string(out, "(host)");
        return;
    }
    kp_wasm_span_t name = kp_wasm_module_function_name(frame->module, frame->function);
    if (name.size) {
        /* Names come from the module: no control characters on a person's terminal. */
        const uint8_t *bytes = kp_wasm_module_at(frame->module, name);
        for (uint32_t j = 0; j < name.size; j++) {
            char byte = (char)bytes[j];
            if (bytes[j] < 0x20 || bytes[j] == 0x7f)
                byte = '?';
            text_bytes(out, &byte, 1);
        }
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
