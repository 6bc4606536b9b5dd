/* What the processor has, as libc found it at the start: asking the processor again costs microseconds under a
   hypervisor. Where libc does not tell, nothing. */
#ifndef KP_RUNTIME_CACHE_PROCESSOR_H
#define KP_RUNTIME_CACHE_PROCESSOR_H

#if defined(__x86_64__) && __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define KP_PROCESSOR_HAS(feature) (CPU_FEATURE_ACTIVE(feature) != 0)
#else
#define KP_PROCESSOR_HAS(feature) 0
#endif

#endif
