/* The compiler's state and the interfaces of its parts (README.md has the picture). */
#ifndef KP_RUNTIME_COMPILE_INTERNAL_H
#define KP_RUNTIME_COMPILE_INTERNAL_H

#include "runtime/compile/asm.h"
#include "runtime/compile/compile.h"
#include "runtime/instance/x86_64.h"

/* Registers with a fixed meaning. R11 and X14, X15 are scratch inside one instruction. */
enum { REG_SCRATCH = R11, REG_INSTANCE = R14, REG_MEMORY = R15, X_SCRATCH = 15, X_SCRATCH2 = 14 };

/* Register sets are bit masks: general ones in bits 0..15, vector ones in 16..31. */
#define GPR_BIT(reg) (1u << (reg))
#define XMM_BIT(reg) (0x10000u << (reg))
enum {
    GPR_TEMPORARY = 1 << RAX | 1 << RCX | 1 << RDX | 1 << R10,
    GPR_CALLEE_SAVED = 1 << RBX | 1 << R12 | 1 << R13,
    GPR_PINNABLE = GPR_CALLEE_SAVED | 1 << RSI | 1 << RDI | 1 << R8 | 1 << R9,
    GPR_USABLE = GPR_TEMPORARY | GPR_PINNABLE,
    XMM_PINNED_FIRST = 6, /* xmm0..5 are always temporary, 6..13 can hold locals */
    XMM_PINNED_LAST = 13,
};

/* Where a value of the operand stack is. */
typedef enum kp_place {
    PLACE_SLOT,     /* in its frame slot */
    PLACE_CONSTANT, /* bits */
    PLACE_REGISTER, /* a temporary that it owns; or, for one instruction, a local's register (hint) */
    PLACE_LOCAL,    /* the local's value, not copied yet; `previous` chains those of one local */
    PLACE_FLAGS,    /* a condition of the processor's flags, only on top; reg = condition */
} kp_place_t;

typedef struct kp_value {
    uint8_t place;
    kp_wasm_type_t type;
    uint8_t reg;
    uint8_t unused;
    uint32_t slot; /* its index on the stack */
    union {
        uint64_t bits;
        struct {
            uint32_t local;
            uint32_t
                previous; /* stack index + 1 of the next deeper one of the same local; 0 none */
        };
    };
} kp_value_t;

typedef struct kp_local {
    uint8_t reg; /* pinned to, or NO_REG */
    uint8_t type;
    int32_t home;     /* rbp-relative; 0: it has none, it is never used */
    uint32_t aliases; /* topmost PLACE_LOCAL of it on the stack + 1 */
} kp_local_t;

/* Condition codes above 15: float equality needs the parity flag too. */
enum { CC_FLOAT_E = 16, CC_FLOAT_NE = 17 };

typedef struct kp_control {
    uint32_t chain;       /* rel32 sites to this label, linked through themselves; 0 ends */
    uint32_t table_chain; /* br_table entries, likewise */
    uint32_t target;      /* loops: code offset */
    uint32_t valid;       /* pinned registers that hold their locals at the label */
    uint32_t dirty;       /* of those, which homes are stale */
    bool reached;         /* valid and dirty are set: there was a branch */
    uint32_t else_chain;  /* if: the jump taken when the condition is false */
    uint32_t else_valid, else_dirty;
    uint32_t visit;     /* number of the br_table that last named it, */
    uint32_t stub;      /* and its stub there */
    uint32_t try_begin; /* try_table: code offset */
    kp_wasm_targets_t catches;
    uint32_t height;
} kp_control_t;

/* A trap's or slow path's code, emitted behind the function. */
typedef struct kp_slow_path {
    uint32_t site; /* rel32 that leads here */
    uint32_t back; /* code offset to go on at */
    uint32_t kind; /* kp_slow_kind_t */
} kp_slow_path_t;

typedef enum kp_slow_kind {
    SLOW_CALL,      /* through the funcinst in rax, of another instance in r11 */
    SLOW_TAIL_CALL, /* the same, and then the function returns */
    SLOW_ENTRY,     /* stack limit or interruption in a prologue */
    SLOW_LOOP,      /* interruption at a loop head */
    SLOW_FUEL,
} kp_slow_kind_t;

typedef struct kp_compiler {
    kp_asm_t code;
    const kp_wasm_module_t *module;
    kp_wasm_visitor_t *visitor;
    kp_wasm_compile_options_t options;
    bool avx, bmi2, lzcnt, tzcnt;
    kp_wasm_instance_layout_t layout;
    bool module_simd; /* some type of the module holds a v128 */

    /* Functions: those in [first, end) of the module's own. */
    uint32_t first, end, current;
    uint32_t
        *offsets; /* [current - first]: of compiled ones; before that the chain of calls to them */
    uint32_t *foreign; /* chains of calls to functions outside; indexed as the module's own */
    uint32_t *clause_first;
    kp_wasm_code_clause_t *clauses;
    uint32_t clause_count, clause_capacity;

    /* The function at hand. */
    uint32_t start; /* code offset */
    bool has_calls, has_try, saves_instance, many_results;
    uint32_t saved;       /* callee-saved registers in use */
    int32_t results_home; /* rbp-relative: the caller's row of results */
    uint32_t frame_fixed; /* bytes below rbp before the operand slots */
    uint32_t slot_size, slot_maximum;
    uint32_t frame_chain;     /* imm32 and disp32 that want the frame's size */
    uint32_t parameter_bytes; /* on the stack: the epilogue removes them */
    kp_local_t *locals;
    uint32_t *weights;
    uint32_t local_capacity, local_count;
    uint32_t pinned;          /* registers that locals have */
    uint32_t pinned_volatile; /* of those, which calls destroy */
    uint32_t local_of[32];    /* by register bit */
    uint32_t valid, dirty;    /* pinned registers that hold their local; whose home is stale */

    /* Checked memories: accesses relative to a local that reach no farther than an earlier one since it
       was set, on every path to here, need no check: memories never shrink. */
    struct {
        uint32_t local, memory, end;
    } checks[4];
    uint32_t check_count; /* recorded since the last label; the oldest are overwritten */

    kp_value_t *stack;
    uint32_t height, stack_capacity;
    uint32_t flushed; /* values below this index are slots or constants */
    uint32_t free;    /* temporaries that nobody owns */
    uint32_t temporaries;
    uint32_t owner[32]; /* stack index by register bit; OWNER_NONE: popped, in use */
    bool flags_pending;

    kp_control_t *controls;
    uint32_t control_count, control_capacity;
    uint32_t trap_chains[KP_WASM_TRAP_COUNT];
    kp_slow_path_t *slow;
    uint32_t slow_count, slow_capacity;
    uint32_t visits;    /* of br_tables */
    kp_status_t status; /* the first failure inside an instruction */
} kp_compiler_t;

#define OWNER_NONE UINT32_MAX

/* No smaller than any alignment inside a function, so that its code does not depend on its place. */
enum { KP_FUNCTION_ALIGNMENT = 32 };

enum { KP_ROOM = 2048 }; /* what every instruction may emit without asking */

/* Room for `size` more bytes of code; false: not, or the instruction has failed already. */
static inline bool kp_room(kp_compiler_t *c, size_t size)
{
    if (c->status == KP_OK)
        c->status = kp_asm_reserve(&c->code, size);
    return c->status == KP_OK;
}

static inline bool kp_type_is_xmm(kp_wasm_type_t type)
{
    return type == KP_WASM_TYPE_F32 || type == KP_WASM_TYPE_F64 || type == KP_WASM_TYPE_V128;
}

/* W for types of 64 bits in general registers. */
static inline uint32_t kp_type_wide(kp_wasm_type_t type)
{
    return type == KP_WASM_TYPE_I32 || type == KP_WASM_TYPE_F32 ? 0 : W;
}

/* Bit of a register that holds a value of `type`. */
static inline uint32_t kp_reg_bit(kp_wasm_type_t type, unsigned reg)
{
    return kp_type_is_xmm(type) ? XMM_BIT(reg) : GPR_BIT(reg);
}

/* ---- stack.c: the operand stack and the registers ---- */

/* Pushing. */
void kp_stack_push_reg(kp_compiler_t *c, kp_wasm_type_t type,
                       unsigned reg); /* an owned temporary, or a hint */
void kp_stack_push_constant(kp_compiler_t *c, kp_wasm_type_t type, uint64_t bits);
void kp_stack_push_local(kp_compiler_t *c, uint32_t local);
void kp_stack_push_slot(kp_compiler_t *c, kp_wasm_type_t type);
void kp_stack_push_flags(kp_compiler_t *c, unsigned cc);

/* Takes the top off. Its register, if it owns one, stays taken until kp_value_release. */
kp_value_t kp_stack_pop(kp_compiler_t *c);
void kp_value_release(kp_compiler_t *c, const kp_value_t *value);

/* A free temporary; spills the deepest value if none is. It belongs to nobody until pushed. */
unsigned kp_gpr_take(kp_compiler_t *c);
unsigned kp_xmm_take(kp_compiler_t *c);
unsigned kp_reg_take(kp_compiler_t *c, kp_wasm_type_t type);
void kp_gpr_drop(kp_compiler_t *c, unsigned reg);
void kp_xmm_drop(kp_compiler_t *c, unsigned reg);
/* That very temporary: its owner moves away. `value`: a popped value that may own it and is moved too. */
void kp_gpr_claim(kp_compiler_t *c, unsigned reg, kp_value_t *a, kp_value_t *b);
void kp_xmm_claim(kp_compiler_t *c, unsigned reg);

/* A popped value in a register, to be read: a local's own if it is there. */
unsigned kp_value_gpr(kp_compiler_t *c, kp_value_t *value);
unsigned kp_value_xmm(kp_compiler_t *c, kp_value_t *value);
/* In a temporary that it owns, to be overwritten. */
unsigned kp_value_own_gpr(kp_compiler_t *c, kp_value_t *value);
unsigned kp_value_own_xmm(kp_compiler_t *c, kp_value_t *value);
/* Emits moves of the value into `reg`; keeps the flags; the value stays what it is. */
void kp_value_move_gpr(kp_compiler_t *c, const kp_value_t *value, unsigned reg);
void kp_value_move_xmm(kp_compiler_t *c, const kp_value_t *value, unsigned reg);
/* Stores it at [mem] with the width of its type. */
void kp_value_store(kp_compiler_t *c, const kp_value_t *value, kp_mem_t mem);
/* Is it readable as a memory operand (slot, or local that is not in a register)? */
bool kp_value_in_memory(const kp_compiler_t *c, const kp_value_t *value);
kp_mem_t kp_value_memory(const kp_compiler_t *c, const kp_value_t *value);
/* A constant that fits a sign-extended imm32 (i32: always). */
bool kp_value_is_imm(const kp_value_t *value);

/* The register that a result of `type` should be made in: the pinned register of the local that the next
   instruction sets, or NO_REG. May clobber it at once only when no operand of the instruction, which must
   have been popped before, is in it. */
unsigned kp_stack_hint(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                       kp_wasm_type_t type);

/* The register a popped value is in at no cost, or NO_REG. */
static inline unsigned kp_value_register(const kp_compiler_t *c, const kp_value_t *value)
{
    if (value->place == PLACE_REGISTER)
        return value->reg;
    return value->place == PLACE_LOCAL ? c->locals[value->local].reg : NO_REG;
}
/* Pushes the result `to`, and releases the popped operands (NULL: none) that are elsewhere. */
void kp_stack_push_result(kp_compiler_t *c, kp_wasm_type_t type, unsigned to, const kp_value_t *a,
                          const kp_value_t *b);
/* Where to make a result: the hint, a's own register if it is of the type's class, or a new one. */
unsigned kp_result_place(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                         kp_wasm_type_t type, const kp_value_t *a);

kp_mem_t kp_slot(kp_compiler_t *c, uint32_t index);
/* Makes the condition on top a 0 or 1 in a register. */
void kp_stack_flags_settle(kp_compiler_t *c);
/* Values [0, height) become slots or constants. */
void kp_stack_flush(kp_compiler_t *c, uint32_t height);
/* Values [from, height) become slots, constants too. */
void kp_stack_to_slots(kp_compiler_t *c, uint32_t from);
/* The values [first, first + count) become slots. Like all that follow here it
   asks for its own room, and leaves KP_ROOM of it. */
void kp_stack_slot_run(kp_compiler_t *c, uint32_t first, uint32_t count);
/* No value owns a register any more (those go to slots). Popped ones keep theirs. */
void kp_stack_spill_all(kp_compiler_t *c);
/* Forgets the values above `height`, wherever they are. */
void kp_stack_truncate(kp_compiler_t *c, uint32_t height);

/* ---- locals.c ---- */

/* Decides which locals are pinned, lays out the frame. */
kp_status_t kp_locals_plan(kp_compiler_t *c);
void kp_locals_get(kp_compiler_t *c, uint32_t local);
void kp_locals_set(kp_compiler_t *c, uint32_t local, bool tee);
/* The pinned register of a local holds it. */
void kp_locals_load(kp_compiler_t *c, uint32_t local);
/* The registers of `mask` hold their locals. Keeps the flags. */
void kp_locals_reload(kp_compiler_t *c, uint32_t mask);
/* Homes of the registers of `mask` are up to date. */
void kp_locals_save(kp_compiler_t *c, uint32_t mask);

/* ---- the instructions, by class ---- */
void kp_op_integer(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_float(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_convert(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_memory(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_control(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_call(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_variable(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_bulk(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_exception(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_simd(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_simd_memory(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
void kp_op_atomic(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);

/* `site` is a 32-bit field that gets the frame's size: of sub rsp, imm32 or lea rsp, [rbp + disp32]. */
void kp_frame_site(kp_compiler_t *c, uint32_t site);

/* ---- control.c ---- */
void kp_control_fuel(kp_compiler_t *c);
kp_control_t *kp_control_push(kp_compiler_t *c, kp_wasm_frame_t *frame);
static inline kp_control_t *kp_control_of(kp_compiler_t *c, const kp_wasm_frame_t *frame)
{
    return &c->controls[frame->user - 1];
}
/* The epilogue and ret. */
void kp_control_return(kp_compiler_t *c);
/* A jump to a label whose values are in place, from here. */
void kp_control_jump(kp_compiler_t *c, kp_control_t *control);
/* Restores saved registers and the caller's frame; the return address is on top then. */
void kp_control_epilogue(kp_compiler_t *c);
void kp_control_bind_chain(kp_compiler_t *c, uint32_t chain);

/* ---- call.c ---- */
/* A value on its way to a register. */
typedef struct kp_move {
    kp_value_t value;
    uint8_t to;
} kp_move_t;
/* All at once: no source is overwritten before it is read. Sources in registers, constants, memory; at
   most 16. Uses the scratch registers. */
void kp_moves_emit(kp_compiler_t *c, const kp_move_t *moves, uint32_t count);
/* Rows of values: 16 bytes each, ascending; slots descend. Longer ones are copied by a loop, so that an
   instruction with a thousand values does not become a thousand instructions. */
enum { KP_ROW_UNROLLED = 16 };
/* Between the slots from `first` on and the row at base + disp. Uses R10, which nobody may own, and the
   scratch registers. */
void kp_row_copy(kp_compiler_t *c, bool to_row, unsigned base, int32_t disp, uint32_t first,
                 uint32_t count);
/* One value between memory and memory, all 8 or 16 bytes. */
void kp_slot_move(kp_compiler_t *c, kp_wasm_type_t type, kp_mem_t to, kp_mem_t from);
/* Everything that a call destroys is safe; `arguments` top values may stay where they are. */
void kp_call_prepare(kp_compiler_t *c, uint32_t arguments);
/* After a call: what it destroyed. */
void kp_call_finish(kp_compiler_t *c);
/* Calls the function in rax of the instance in r11, with its registers; then takes our own back. */
void kp_call_other(kp_compiler_t *c);
/* Calls helper(instance, extra..., arguments...): `extra_count` numbers, then the top `argument_count`
   values, which are popped. The result is in rax. */
void kp_call_helper(kp_compiler_t *c, kp_wasm_helper_t helper, const uint64_t *extra,
                    unsigned extra_count, unsigned argument_count);
void kp_call_trap_if_eax(kp_compiler_t *c);

/* ---- exception.c ---- */
/* The end of a try_table: its landing pads. Clears *reachable when control leaves before them. */
void kp_exception_end(kp_compiler_t *c, const kp_wasm_frame_t *frame, kp_control_t *control,
                      bool *reachable);
/* A branch to `frame`'s label with the top values; the landing pads use it. */
void kp_control_branch(kp_compiler_t *c, const kp_wasm_frame_t *frame);

/* ---- float.c ---- */
/* reg = the sign bits, or all others, of lanes of 32 or 64 bits. */
void kp_float_mask(kp_compiler_t *c, unsigned reg, bool is_64, bool sign);

/* ---- compile.c ---- */
/* Compiles function after function: context is the kp_compiler_t. */
extern const kp_wasm_sink_t kp_compiler_sink;

/* ---- traps ---- */
void kp_trap_if(kp_compiler_t *c, unsigned cc, kp_wasm_trap_code_t code);
void kp_trap(kp_compiler_t *c, kp_wasm_trap_code_t code);
void kp_slow_add(kp_compiler_t *c, kp_slow_kind_t kind, uint32_t site, uint32_t back);

/* ---- memory.c ---- */
/* The address of an access of `width` bytes at the popped index; checked when it must be. Uses REG_SCRATCH; may
   take a temporary, then *taken says which (else NO_REG). */
kp_mem_t kp_memory_address(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                           kp_value_t *index, unsigned width, unsigned *taken);

/* The local is set. */
void kp_memory_forget(kp_compiler_t *c, uint32_t local);

/* ---- SSE and AVX forms ---- */
/* to = a op b; without AVX `to` must be a, or not b. */
static inline void kp_sse_rrr(kp_compiler_t *c, uint32_t op, unsigned to, unsigned a, unsigned b)
{
    if (c->avx) {
        kp_asm_vex_rr(&c->code, op, to, a, b);
        return;
    }
    if (to != a)
        kp_asm_rr(&c->code, OP_MOVAPS, to, a);
    kp_asm_rr(&c->code, op, to, b);
}

static inline void kp_sse_rrm(kp_compiler_t *c, uint32_t op, unsigned to, unsigned a, kp_mem_t b)
{
    if (c->avx) {
        kp_asm_vex_rm(&c->code, op, to, a, b);
        return;
    }
    if (to != a)
        kp_asm_rr(&c->code, OP_MOVAPS, to, a);
    kp_asm_rm(&c->code, op, to, b);
}

/* Two operands. */
static inline void kp_sse_rr(kp_compiler_t *c, uint32_t op, unsigned reg, unsigned rm)
{
    if (c->avx)
        kp_asm_vex_rr(&c->code, op, reg, 0, rm);
    else
        kp_asm_rr(&c->code, op, reg, rm);
}

static inline void kp_sse_rm(kp_compiler_t *c, uint32_t op, unsigned reg, kp_mem_t mem)
{
    if (c->avx)
        kp_asm_vex_rm(&c->code, op, reg, 0, mem);
    else
        kp_asm_rm(&c->code, op, reg, mem);
}

#endif
