/* Private to runtime/interpret: the register code, its functions, the stack. */
#ifndef KP_RUNTIME_INTERPRET_INTERNAL_H
#define KP_RUNTIME_INTERPRET_INTERNAL_H

#include <string.h>

#include "runtime/interpret/interpret.h"
#include "runtime/wasm/body.h"

#define KP_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define KP_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

typedef enum kp_interpret_op {
#define KP_OP(name, result) KP_OP_##name,
#include "runtime/interpret/op.def"
#undef KP_OP
    KP_OP_COUNT
} kp_interpret_op_t;

/* One instruction; some are followed by more of these as data. a, b, c, d are byte offsets of slots from the
   frame's begin unless an instruction says otherwise; branches hold the distance in bytes, signed, from
   themselves in `a`. */
typedef struct kp_interpret_insn {
    union {
        const void *handler; /* after translation, where labels are values */
        uint64_t op;
    };
    uint32_t a, b;
    union {
        struct {
            uint32_t c, d;
        };
        uint64_t imm;
        const struct kp_interpret_function *function;
    };
} kp_interpret_insn_t;
_Static_assert(sizeof(kp_interpret_insn_t) == 24, "kp_interpret_insn_t");

/* A clause of a try_table: in force for instructions [begin, end). Innermost try_table first. */
typedef struct kp_interpret_clause {
    uint32_t begin, end;
    uint32_t tag;     /* KP_WASM_NO_INDEX: all */
    uint32_t landing; /* the LAND instruction */
} kp_interpret_clause_t;

/* One function of a module. */
typedef struct kp_interpret_function {
    const kp_interpret_insn_t *code; /* atomic; &stub until it is translated */
    kp_interpret_insn_t stub;        /* TRANSLATE */
    uint32_t index;
    uint32_t insn_count;
    kp_interpret_insn_t *insns;
    uint32_t *offsets; /* of each instruction, in the module's bytes */
    kp_interpret_clause_t *clauses;
    uint32_t clause_count;
    struct kp_wasm_interpreted *owner;
} kp_interpret_function_t;

struct kp_wasm_interpreted {
    const kp_wasm_module_t *module;
    kp_wasm_allocator_t allocator;
    uint32_t lock; /* of translation */
    size_t size;
    struct kp_translator *translator; /* guarded by: lock */
    kp_interpret_function_t functions[];
};

/* One call under way. */
typedef struct kp_interpret_frame {
    const kp_interpret_insn_t *pc;           /* where the caller goes on */
    uint8_t *fp;                             /* the caller's slots */
    kp_wasm_instance_t *instance;            /* the caller's */
    const kp_interpret_function_t *function; /* the callee, for backtraces and handlers */
} kp_interpret_frame_t;

/* The interpreter's stack of one store. */
typedef struct kp_interpret_stack {
    uint8_t *slots, *slots_end;
    uint8_t *top; /* first free slot, for the next entry */
    kp_interpret_frame_t *frames, *frames_end;
    kp_interpret_frame_t *frame; /* innermost */
    size_t size;                 /* of this and all that follows it, in one block */
    uint32_t instances;
    kp_interpret_frame_t frame_memory[];
} kp_interpret_stack_t;

static inline uint32_t kp_interpret_type_bytes(kp_wasm_type_t type)
{
    return type == KP_WASM_TYPE_V128 ? 16 : 8;
}

/* Runs from the call of `function` (whose arguments lie at fp) until it returns; results lie at fp then.
   `frame` is free for it. Statuses as kp_wasm_call_fn. */
kp_status_t kp_interpret_run(kp_wasm_store_t *store, kp_wasm_instance_t *instance,
                             const kp_interpret_function_t *function, uint8_t *fp);
/* op -> label of its handler; NULL where labels are no values. */
const void *const *kp_interpret_handlers(void);

/* Makes function->code; thread-safe; no effect if it is made. */
kp_status_t kp_interpret_translate(const kp_interpret_function_t *function);
void kp_translator_destroy(struct kp_translator *translator, kp_wasm_allocator_t allocator);

/* kp_wasm_funcinst_t.call of interpreted functions; their context is the kp_interpret_function_t. */
kp_status_t kp_interpret_call(kp_wasm_funcinst_t *function, kp_wasm_instance_t *caller,
                              kp_wasm_value_t *values);
/* Calls a function of another tier or of the host with arguments in slots at `arguments`, below
   stack->slots_end; results go there. stack->frame and what is above `free` are its own. */
kp_status_t kp_interpret_call_out(kp_wasm_funcinst_t *function, kp_wasm_instance_t *caller,
                                  uint8_t *arguments);

/* Values of a tag's type from and to slots. new: NULL without memory. land: kind as in kp_wasm_catch_t. */
kp_wasm_exninst_t *kp_interpret_exception_new(kp_wasm_instance_t *instance, uint32_t tag,
                                              const uint8_t *slots);
void kp_interpret_exception_land(kp_wasm_instance_t *instance, kp_wasm_exninst_t *exception,
                                 uint8_t *slots, uint32_t kind);
/* The clause that catches `exception` at instruction `at` of a function of `instance`, or NULL. */
const kp_interpret_clause_t *kp_interpret_clause_find(const kp_interpret_function_t *function,
                                                      uint32_t at,
                                                      const kp_wasm_instance_t *instance,
                                                      const kp_wasm_exninst_t *exception);
/* Appends the frames from `frame` out to `base` (not included) to the store's trap. pc: of the instruction
   that trapped; instance: its own. */
void kp_interpret_backtrace(kp_wasm_store_t *store, kp_wasm_instance_t *instance,
                            const kp_interpret_frame_t *frame, const kp_interpret_frame_t *base,
                            const kp_interpret_insn_t *pc);

/* Vector instructions by number of opcode.h - 0x200; scalars are 8-byte slots. NULL: has its own way. */
typedef void (*kp_interpret_vector_fn)(void *out, const void *x, const void *y, unsigned lane);
extern const kp_interpret_vector_fn kp_interpret_vectors[256];
void kp_interpret_shuffle(void *out, const void *x, const void *y, const void *lanes);

/* ATOMIC: insn[0] a: first operand, the result goes there; b: opcode; c: memory. insn[1].imm: offset. */
kp_wasm_trap_code_t kp_interpret_atomic(kp_wasm_instance_t *instance, uint8_t *fp,
                                        const kp_interpret_insn_t *insn);

#endif
