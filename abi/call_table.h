/* The calls of abi/calls.def as data: for the rights test, the system-call fuzzer and the reference
   page. Host code only (it holds every text). */
#ifndef KP_ABI_CALL_TABLE_H
#define KP_ABI_CALL_TABLE_H

#include "abi/call_macros.h"
#include "abi/calls.h"
#include "abi/ipc.h"
#include "abi/job.h"
#include "abi/port.h"

typedef enum kp_argument_kind {
    KP_ARGUMENT_VOID = 0, /* no more arguments */
    KP_ARGUMENT_HANDLE,
    KP_ARGUMENT_HANDLE_OR_NONE,
    KP_ARGUMENT_HANDLE_TO_CLOSE,
    KP_ARGUMENT_IN_BYTES,
    KP_ARGUMENT_OUT_BYTES,
    KP_ARGUMENT_IN,
    KP_ARGUMENT_OUT,
    KP_ARGUMENT_INOUT,
    KP_ARGUMENT_OUT_OR_NONE,
    KP_ARGUMENT_IN_HANDLES,
    KP_ARGUMENT_OUT_HANDLES,
    KP_ARGUMENT_COUNT,
    KP_ARGUMENT_NUMBER,
    KP_ARGUMENT_FLAGS,
    KP_ARGUMENT_PAGE_OFFSET,
    KP_ARGUMENT_PAGE_LENGTH,
    KP_ARGUMENT_PAGE_ADDRESS,
    KP_ARGUMENT_WORD,
    KP_ARGUMENT_TEXT,
    KP_ARGUMENT_DEADLINE,
} kp_argument_kind_t;

typedef struct kp_argument {
    kp_argument_kind_t kind;
    const char *name;
    const char *c_type;      /* memory, numbers, flags */
    uint32_t element_size;   /* memory: bytes of one element */
    const char *count;       /* memory: how many elements: a COUNT argument's name or a number */
    uint32_t type;           /* handles: KP_TYPE_* */
    kp_rights_t rights;      /* handles */
    uint64_t minimum;        /* numbers */
    uint64_t maximum;        /* numbers and counts: the largest; flags: the mask */
    const char *type_name;   /* handles */
    const char *rights_name; /* handles: the expression */
    const char *limit_name;  /* counts and flags: the expression */
} kp_argument_t;

typedef enum kp_call_result {
    KP_RESULT_STATUS,
    KP_RESULT_HANDLE,
    KP_RESULT_VALUE,
    KP_RESULT_NEVER,
} kp_call_result_t;

typedef struct kp_call_entry {
    uint32_t number;
    kp_call_result_t result;
    const char *name;
    const char *documentation;
    kp_argument_t arguments[7]; /* ends with VOID */
} kp_call_entry_t;

typedef struct kp_call_field {
    uint32_t call;        /* number */
    const char *argument; /* that names the structure */
    uint32_t offset;
    uint32_t size;
    kp_argument_t field;
} kp_call_field_t;

#define KP_TABLE_ARGUMENT(argument) KP_TABLE_ARGUMENT_OF argument,
#define KP_TABLE_ARGUMENT_OF(which, ...) \
    {.kind = KP_ARGUMENT_##which, KP_TABLE_##which(__VA_ARGS__)}
#define KP_TABLE_VOID(...) .name = NULL
#define KP_TABLE_HANDLE(handle_name, handle_type, handle_rights)           \
    .name = #handle_name, .c_type = "kp_handle_t", .element_size = 4,      \
    .type = KP_TYPE_##handle_type, .rights = (kp_rights_t)(handle_rights), \
    .type_name = #handle_type, .rights_name = #handle_rights
#define KP_TABLE_HANDLE_OR_NONE KP_TABLE_HANDLE
#define KP_TABLE_HANDLE_TO_CLOSE(handle_name) KP_TABLE_HANDLE(handle_name, ANY, 0)
#define KP_TABLE_IN_BYTES(memory, memory_count) \
    .name = #memory, .c_type = "void", .element_size = 1, .count = #memory_count
#define KP_TABLE_OUT_BYTES KP_TABLE_IN_BYTES
#define KP_TABLE_IN(memory, type, memory_count) \
    .name = #memory, .c_type = #type, .element_size = sizeof(type), .count = #memory_count
#define KP_TABLE_OUT KP_TABLE_IN
#define KP_TABLE_INOUT KP_TABLE_IN
#define KP_TABLE_OUT_OR_NONE(memory, type) KP_TABLE_IN(memory, type, 1)
#define KP_TABLE_IN_HANDLES(memory, memory_count, handle_type, handle_rights) \
    KP_TABLE_HANDLE(memory, handle_type, handle_rights), .count = #memory_count
#define KP_TABLE_OUT_HANDLES(memory, memory_count) KP_TABLE_IN(memory, kp_handle_t, memory_count)
#define KP_TABLE_COUNT(count_name, count_maximum)                        \
    .name = #count_name, .c_type = "size_t", .maximum = (count_maximum), \
    .limit_name = #count_maximum
#define KP_TABLE_NUMBER(number_name, number_type, lowest, highest)               \
    .name = #number_name, .c_type = #number_type, .minimum = (uint64_t)(lowest), \
    .maximum = (uint64_t)(highest)
#define KP_TABLE_FLAGS(flags_name, flags_type, flags_mask) \
    .name = #flags_name, .c_type = #flags_type, .maximum = (flags_mask), .limit_name = #flags_mask
#define KP_TABLE_PAGE_OFFSET(number_name) .name = #number_name, .c_type = "uint64_t"
#define KP_TABLE_PAGE_LENGTH KP_TABLE_PAGE_OFFSET
#define KP_TABLE_PAGE_ADDRESS(memory) .name = #memory, .c_type = "void"
#define KP_TABLE_WORD(memory) .name = #memory, .c_type = "void"
#define KP_TABLE_TEXT(text_name, text_size) .name = #text_name, .maximum = (text_size)
#define KP_TABLE_DEADLINE(number_name) .name = #number_name, .c_type = "kp_time_t"

__attribute__((unused)) static const kp_call_entry_t kp_call_table[] = {
#define KP_CALL(call_number, call_name, call_result, call_documentation, ...) \
    {.number = (call_number),                                                 \
     .result = KP_RESULT_##call_result,                                       \
     .name = #call_name,                                                      \
     .documentation = (call_documentation),                                   \
     .arguments = {KP_CALL_EACH(KP_TABLE_ARGUMENT, __VA_ARGS__)}},
#include "abi/calls.def"
#undef KP_CALL
};

#define KP_TABLE_NAME(argument) KP_TABLE_NAME_OF argument
#define KP_TABLE_NAME_OF(kind, field, ...) field
__attribute__((unused)) static const kp_call_field_t kp_call_fields[] = {
#define KP_CALL(...)
#define KP_CALL_FIELD(call_name, argument_name, structure, description) \
    {.call = KP_CALL_##call_name,                                       \
     .argument = #argument_name,                                        \
     .offset = offsetof(structure, KP_TABLE_NAME(description)),         \
     .size = sizeof(((structure *)NULL)->KP_TABLE_NAME(description)),   \
     .field = KP_TABLE_ARGUMENT_OF description},
#include "abi/calls.def"
#undef KP_CALL
};

#endif
