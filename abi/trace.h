/* A recording of kernel events as the kernel writes it: kp_trace_header_t, then records in no
   particular order. Little-endian. `kpio trace` makes Chrome trace JSON of it. */
#ifndef KP_ABI_TRACE_H
#define KP_ABI_TRACE_H

#include "abi/types.h"

#define KP_TRACE_MAGIC "KPTRACE1"

typedef struct kp_trace_header {
    char magic[8];
    uint32_t record_size; /* sizeof(kp_trace_record_t) */
    uint32_t cpu_count;
    uint64_t record_count;
    uint64_t lost; /* older records that were overwritten */
} kp_trace_header_t;

/* Each record also has the thread that ran, the processor and the time. a, b, c by event: */
enum {
    KP_TRACE_THREAD = 1,     /* names thread `thread` of process koid c (0: kernel): name */
    KP_TRACE_MARK = 2,       /* name: a boot mark */
    KP_TRACE_SWITCH = 3,     /* the processor goes from thread a to thread `thread` (0: idle) */
    KP_TRACE_WAKE = 4,       /* makes thread a ready */
    KP_TRACE_SEND = 5,       /* a: koid of the receiving end; b: bytes; c: handles */
    KP_TRACE_RECEIVE = 6,    /* the same, in the order in which they were sent */
    KP_TRACE_CALL = 7,       /* system call a begins; b: its first argument */
    KP_TRACE_CALL_END = 8,   /* b: the result */
    KP_TRACE_FAULT = 9,      /* page fault at a; b: 1 write, 2 execute; c: 1 ended the process */
    KP_TRACE_INTERRUPT = 10, /* vector a begins */
    KP_TRACE_INTERRUPT_END = 11,
    KP_TRACE_PROCESS_END = 12, /* process koid a; b: KP_EXIT_*; c: its code */
    KP_TRACE_TAB_ROLE = 13,    /* the tab with process koid a is now for b: KP_TAB_ROLE_* */
    KP_TRACE_EVENTS = 14,
};

typedef struct kp_trace_record {
    kp_time_t time; /* ns since boot */
    uint64_t thread;
    union {
        struct {
            uint64_t a, b;
        };
        char name[16]; /* filled up with zeroes, cut */
    };
    uint16_t event; /* KP_TRACE_*; 0: never written */
    uint16_t cpu;
    uint32_t c;
} kp_trace_record_t;

KP_STATIC_ASSERT(sizeof(kp_trace_header_t) == 32, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_trace_record_t) == 40, "ABI layout");

#endif
