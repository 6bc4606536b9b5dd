/* Private to translate*.c: the state of one translation. The operand stack is mirrored symbolically: an
   operand is in its home slot, or is still a local or a constant that nobody copied. */
#ifndef KP_RUNTIME_INTERPRET_TRANSLATOR_H
#define KP_RUNTIME_INTERPRET_TRANSLATOR_H

#include "runtime/interpret/internal.h"

#define KP_NO_INSN UINT32_MAX

typedef enum kp_operand_kind {
    KP_OPERAND_HOME,
    KP_OPERAND_LOCAL,
    KP_OPERAND_CONST, /* not v128 */
} kp_operand_kind_t;

typedef struct kp_operand {
    uint32_t home; /* slot */
    uint8_t type;
    uint8_t kind;
    uint32_t local;
    union {
        uint64_t bits; /* CONST */
        uint32_t link; /* LOCAL: the next lower operand of the same local + 1, or 0 */
    };
} kp_operand_t;

/* A control frame; by the visitor's depth. */
typedef struct kp_block {
    uint32_t home;      /* of the first operand above its height */
    uint32_t head;      /* loop: first instruction */
    uint32_t fixups;    /* chain of branches to the end, linked through `a`; KP_NO_INSN ends it */
    uint32_t otherwise; /* if: the branch to else, or KP_NO_INSN */
    uint32_t clauses;   /* try_table: its first in translator.open_clauses, and how many */
    uint32_t clause_count;
    uint32_t begin; /* try_table: first instruction inside */
} kp_block_t;

typedef struct kp_translator {
    kp_wasm_allocator_t allocator;
    kp_wasm_visitor_t visitor;
    kp_status_t status; /* the first failure */

    kp_interpret_insn_t *insns; /* with op numbers */
    uint32_t *offsets;
    uint32_t count, insn_capacity, offset_capacity;
    uint32_t offset;  /* of the current instruction */
    uint32_t barrier; /* what is emitted before this index must not change: a label stands here */

    kp_operand_t *operands;
    uint32_t height, operand_capacity;
    uint32_t next_home;
    uint32_t most_home; /* highest slot used + 1, in bytes */
    uint32_t settled;   /* operands below this index are not LOCAL */
    uint32_t *slots;    /* of locals */
    uint32_t *uses;     /* per local: topmost LOCAL operand + 1, or 0 */
    uint32_t slot_capacity, use_capacity;
    uint32_t scratch;    /* 16 bytes */
    uint32_t zero;       /* 8 bytes of zero */
    uint32_t locals_end; /* behind the declared locals; parameters end at parameters_end */
    uint32_t parameters_end;
    bool zero_used;

    kp_block_t *blocks;
    uint32_t block_capacity;
    /* Of try_tables that are open (a stack), and of those that are closed: the function's. */
    kp_interpret_clause_t *open_clauses, *clauses;
    uint32_t open_count, open_capacity, clause_count, clause_capacity;
} kp_translator_t;

/* The k-th block from the inside is kp_wasm_visitor_label's; this is its translation. */
static inline kp_block_t *kp_block_of(kp_translator_t *t, const kp_wasm_frame_t *frame)
{
    return &t->blocks[frame - t->visitor.frames];
}

/* ---- translate_stack.c ---- */

/* Appends an instruction; when memory is short it remembers that and returns a place that is thrown away. */
kp_interpret_insn_t *kp_translate_emit(kp_translator_t *t, kp_interpret_op_t op, uint32_t a,
                                       uint32_t b, uint32_t c, uint32_t d);
kp_interpret_insn_t *kp_translate_emit_imm(kp_translator_t *t, kp_interpret_op_t op, uint32_t a,
                                           uint32_t b, uint64_t imm);
/* The last instruction, if it may still be changed, else NULL. */
kp_interpret_insn_t *kp_translate_emit_last(kp_translator_t *t);
extern const uint8_t kp_interpret_op_has_result[KP_OP_COUNT];

/* Makes room for `count` elements; keeps the old ones. False: status is set. */
bool kp_translator_reserve(kp_translator_t *t, void **array, uint32_t *capacity, uint32_t count,
                           size_t size);

/* Pushes an operand in its home and returns that slot. */
uint32_t kp_translate_push(kp_translator_t *t, kp_wasm_type_t type);
void kp_translate_push_const(kp_translator_t *t, kp_wasm_type_t type, uint64_t bits);
void kp_translate_push_local(kp_translator_t *t, uint32_t local, kp_wasm_type_t type);
kp_operand_t kp_translate_pop(kp_translator_t *t);
/* The slot that holds a popped operand; a constant is put into its home. */
uint32_t kp_translate_slot(kp_translator_t *t, const kp_operand_t *operand);
uint32_t kp_translate_pop_slot(kp_translator_t *t);
/* Copies an operand to a slot. */
void kp_translate_copy_to(kp_translator_t *t, uint32_t slot, const kp_operand_t *operand);
/* The topmost `count` operands into their homes. Returns the first home (or the next, for none). */
uint32_t kp_translate_settle(kp_translator_t *t, uint32_t count);
/* All LOCAL operands into their homes: code may run from here on in another order. */
void kp_translate_settle_locals(kp_translator_t *t);
/* The operands that name the local into their homes: it is about to change. */
void kp_translate_settle_local(kp_translator_t *t, uint32_t local);
/* Drops down to `height` operands. */
void kp_translate_drop_to(kp_translator_t *t, uint32_t height);
/* Bytes of slots that a row of types takes. */
uint32_t kp_translate_row_bytes(const kp_wasm_type_t *types, uint32_t count);

/* Like kp_translate_copy_to of an operand that nobody needs afterwards: the instruction that made it may write there. */
void kp_translate_store_to(kp_translator_t *t, uint32_t slot, const kp_operand_t *operand);
/* A cell of data behind an instruction: two words. */
void kp_translate_emit_data(kp_translator_t *t, uint64_t first, uint64_t second);

/* For a comparison that makes a value: the same with the opposite outcome, or itself where there is none.
   0: not a comparison. */
extern const uint16_t kp_interpret_op_inverted[KP_OP_COUNT];

/* ---- translate_control.c, translate_operator.c ---- */

void kp_translate_control(kp_translator_t *t, const kp_wasm_instruction_t *instruction);
bool kp_translate_is_control(kp_wasm_opcode_t opcode);
void kp_translate_operator(kp_translator_t *t, const kp_wasm_instruction_t *instruction);

#endif
