/* A recording of kernel events (abi/trace.h) as Chrome trace JSON, which chrome://tracing, Perfetto and
   Speedscope show: a track per processor with the thread that ran and its interrupts, a track per
   thread with its system calls, arrows from each message's sender to its receiver. */
#ifndef KP_TOOLS_KPIO_TRACE_JSON_H
#define KP_TOOLS_KPIO_TRACE_JSON_H

#include <stdio.h>

#include "abi/trace.h"

typedef struct kp_trace_summary {
    uint64_t records, lost, processors, threads, switches, messages, calls, faults, interrupts,
        marks;
    kp_time_t first, last;
} kp_trace_summary_t;

/* bytes: a whole recording, trusted in nothing. ERR_BAD_FORMAT (and then *why says what is wrong),
   ERR_NO_MEMORY, ERR_IO (out could not be written). */
kp_status_t kp_trace_json(const uint8_t *bytes, size_t size, FILE *out, kp_trace_summary_t *summary,
                          const char **why);

#endif
