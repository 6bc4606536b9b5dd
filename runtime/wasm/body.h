/* One pass over a function body: each instruction is decoded once, validated (every rule of the
   specification's "Instructions" in one place, body.c) and handed to a sink. The sink of a tier
   translates; without one this is the validator.

   A kp_wasm_visitor_t holds the scratch memory of one thread: initialise it once, visit any number of
   bodies of one module, clear it. Several threads use a visitor each.

   What a sink may rely on, at each of its calls:
   - The instruction is valid, its immediates and types are resolved; nothing has to be decoded or
     checked again.
   - `visitor` shows the state AFTER the instruction: operands, frames, height. Popped operand types
     lie above `height` as long as no pushed one covers them; instruction->before is the height before.
   - It is not called in dead code (after br, br_table, return, unreachable, throw, throw_ref, tail
     calls, up to the matching else or end), unless sink->dead_code is set; blocks that begin in dead
     code are then never seen, neither their `end`. So it never meets KP_WASM_TYPE_BOTTOM. The `else`
     and `end` of a block that began alive are always seen; instruction->reachable then tells whether
     control falls into them from above.
   - `end` of the function's outermost frame (frames[0]) is delivered like any other.

   The heights count values, not bytes. Locals are not on the operand stack.

   Cost: linear in the body's bytes (a call or branch with n types costs n bytes of memcmp, n at most
   limits.parameters). Memory: operands (1 byte each), frames, locals (1 byte each), all bounded by the
   module's limits. */
#ifndef KP_RUNTIME_WASM_BODY_H
#define KP_RUNTIME_WASM_BODY_H

#include "runtime/wasm/module.h"
#include "runtime/wasm/opcode.h"

typedef enum kp_wasm_frame_kind {
    KP_WASM_FRAME_FUNCTION,
    KP_WASM_FRAME_BLOCK,
    KP_WASM_FRAME_LOOP,
    KP_WASM_FRAME_IF,   /* until its else */
    KP_WASM_FRAME_ELSE, /* from then on */
    KP_WASM_FRAME_TRY_TABLE,
} kp_wasm_frame_kind_t;

/* A control frame: what a structured instruction opens and `end` closes. */
typedef struct kp_wasm_frame {
    uint8_t kind;     /* kp_wasm_frame_kind_t */
    bool dead;        /* the code now is unreachable */
    bool dead_before; /* it was so when the block began */
    bool branched;    /* some live branch (or catch) goes to its label */
    uint32_t height;  /* of the operands below the block's parameters */
    uint32_t offset;  /* module offset of the opening instruction; of the body for frames[0] */
    uint32_t parameter_count; /* 0 for frames[0]: its parameters are locals */
    uint32_t result_count;
    const kp_wasm_type_t *parameters;
    const kp_wasm_type_t *results;
    uint64_t user; /* the sink's own; 0 at first */
} kp_wasm_frame_t;

/* The values that a branch to a frame carries: parameters for a loop, else results. */
static inline uint32_t kp_wasm_frame_label_arity(const kp_wasm_frame_t *frame)
{
    /* NOLINTNEXTLINE: visitors have a frame for each label */
    return frame->kind == KP_WASM_FRAME_LOOP ? frame->parameter_count : frame->result_count;
}

static inline const kp_wasm_type_t *kp_wasm_frame_label_types(const kp_wasm_frame_t *frame)
{
    return frame->kind == KP_WASM_FRAME_LOOP ? frame->parameters : frame->results;
}

/* The targets of a br_table, the default last; and the catches of a try_table. */
typedef struct kp_wasm_targets {
    const uint8_t *at;
    uint32_t left; /* br_table: labels left, the default counted. try_table: clauses left */
} kp_wasm_targets_t;

typedef struct kp_wasm_catch {
    uint8_t kind;   /* 0 catch, 1 catch_ref, 2 catch_all, 3 catch_all_ref */
    uint32_t tag;   /* kinds 0 and 1 */
    uint32_t depth; /* label, counted OUTSIDE the try_table: 0 is the frame around it */
} kp_wasm_catch_t;

/* Which fields are set depends on the immediate kind, see opcode.h; others hold rubbish. Always set:
   opcode, reachable, offset, next, before. */
typedef struct kp_wasm_instruction {
    kp_wasm_opcode_t opcode;
    bool reachable; /* false only at else and end (or with sink->dead_code) */
    /* The type that the opcode leaves open: of the operand for drop, select, local.*, global.*,
       ref.is_null; of the reference for ref.null; of the elements for table.* */
    kp_wasm_type_t type;
    uint8_t align; /* log2, as given */
    uint8_t lane;
    uint32_t offset; /* module offset of the opcode */
    uint32_t next;   /* and of the instruction after it */
    uint32_t before; /* operand height before; visitor->height is that after */
    uint32_t index;
    uint32_t index2;
    uint64_t value;
    const uint8_t *bytes;
    kp_wasm_targets_t targets;
    /* Calls, throw: the callee's or tag's type. block, loop, if, try_table: see frame instead. */
    const kp_wasm_functype_t *signature;
    /* block, loop, if, try_table: the new frame, pushed (parameters are on the operand stack again).
       else, end: the frame. `end` has popped it: the pointer is good for this call only. The operands
       are then frame->height + the results (else: + the parameters). br, br_if: the target.
       return: frames[0]. */
    kp_wasm_frame_t *frame;
} kp_wasm_instruction_t;

struct kp_wasm_sink;
typedef struct kp_wasm_visitor {
    const kp_wasm_module_t *module;
    /* The body being visited. */
    uint32_t function;
    const kp_wasm_functype_t *signature;
    const kp_wasm_type_t *locals; /* parameters first */
    uint32_t local_count;
    uint32_t code_offset;           /* module offset of the first instruction, */
    uint32_t code_end;              /* and behind the last */
    const kp_wasm_type_t *operands; /* operands[height - 1] is the top */
    uint32_t height;
    uint32_t height_maximum; /* so far; also counts dead code */
    kp_wasm_frame_t *frames; /* frames[0] is the function */
    uint32_t depth;          /* of frames; frames[depth - 1] is the innermost */

    /* Private: scratch memory. */
    kp_wasm_allocator_t allocator;
    uint8_t *operand_memory, *local_memory;
    uint32_t operand_capacity, local_capacity, frame_capacity;
    const struct kp_wasm_sink *sink;
    void *context;
    kp_wasm_error_t *error;
} kp_wasm_visitor_t;

/* A status other than KP_OK ends the visit, which then returns it (error kind SINK). begin and end may
   be NULL. The frames pointer may move between calls: keep depths, not pointers. */
typedef struct kp_wasm_sink {
    /* The locals are known, frames[0] is open. */
    kp_status_t (*begin)(void *context, kp_wasm_visitor_t *visitor);
    kp_status_t (*instruction)(void *context, kp_wasm_visitor_t *visitor,
                               const kp_wasm_instruction_t *instruction);
    /* The whole body is valid. */
    kp_status_t (*end)(void *context, kp_wasm_visitor_t *visitor);
    bool dead_code; /* also deliver unreachable instructions */
} kp_wasm_sink_t;

/* Allocates nothing yet. The allocator may differ from the module's (one thread, one arena). */
void kp_wasm_visitor_init(kp_wasm_visitor_t *visitor, const kp_wasm_module_t *module,
                          kp_wasm_allocator_t allocator);
void kp_wasm_visitor_clear(kp_wasm_visitor_t *visitor);

/* Validates one function that is not an import, by its index, and feeds the sink (NULL: none). error
   may be NULL. Errors: those of kp_wasm_error_kind_t; the visitor can be used again after one. */
kp_status_t kp_wasm_body_visit(kp_wasm_visitor_t *visitor, uint32_t function,
                               const kp_wasm_sink_t *sink, void *context, kp_wasm_error_t *error);

/* The frame that label `depth` names now. */
static inline kp_wasm_frame_t *kp_wasm_visitor_label(const kp_wasm_visitor_t *visitor,
                                                     uint32_t depth)
{
    return &visitor->frames[visitor->depth - 1 - depth];
}

/* An unsigned LEB128 number that was validated before. */
static inline uint32_t kp_wasm_leb_u32_trusted(const uint8_t **at)
{
    uint32_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

/* Labels of a br_table one after another, the default as the last. Copy instruction->targets first,
   to walk more than once. */
static inline bool kp_wasm_targets_next(kp_wasm_targets_t *targets, uint32_t *depth)
{
    if (targets->left == 0)
        return false;
    targets->left--;
    *depth = kp_wasm_leb_u32_trusted(&targets->at);
    return true;
}

static inline bool kp_wasm_catches_next(kp_wasm_targets_t *targets, kp_wasm_catch_t *clause)
{
    if (targets->left == 0)
        return false;
    targets->left--;
    clause->kind = *targets->at++;
    clause->tag = clause->kind < 2 ? kp_wasm_leb_u32_trusted(&targets->at) : KP_WASM_NO_INDEX;
    clause->depth = kp_wasm_leb_u32_trusted(&targets->at);
    return true;
}

#endif
