/* Types shared by the kernel and every process. Only fixed-width types: the same bytes on a 64-bit
   kernel and in a 32-bit WebAssembly process. Little-endian. */
#ifndef KP_ABI_TYPES_H
#define KP_ABI_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

/* A handle: an index with a generation, meaningful only in the process that holds it. 0 is none. */
typedef uint32_t kp_handle_t;
#define KP_HANDLE_NONE ((kp_handle_t)0)

/* Nanoseconds since boot (monotonic), or an absolute deadline in the same clock. */
typedef int64_t kp_time_t;
#define KP_TIME_INFINITE INT64_MAX
#define KP_TIME_POLL ((kp_time_t)0) /* a deadline in the past: do not block */
#define KP_NS_PER_MS ((kp_time_t)1000000)
#define KP_NS_PER_S ((kp_time_t)1000000000)

#define KP_PAGE_SIZE 4096u
#define KP_WASM_PAGE_SIZE 65536u

/* Rights: what a handle allows. They only ever shrink. */
typedef uint32_t kp_rights_t;
enum {
    KP_RIGHT_READ = 1u << 0,
    KP_RIGHT_WRITE = 1u << 1,
    KP_RIGHT_MAP = 1u << 2,
    KP_RIGHT_EXECUTE = 1u << 3,
    KP_RIGHT_DUPLICATE = 1u << 4,
    KP_RIGHT_TRANSFER = 1u << 5,
    KP_RIGHT_WAIT = 1u << 6,
    KP_RIGHT_SIGNAL = 1u << 7,
    KP_RIGHT_INSPECT = 1u << 8,
    KP_RIGHT_MANAGE = 1u << 9,
    KP_RIGHT_CONNECT = 1u << 10, /* service: ask for a channel to its server */
    KP_RIGHT_SERVE = 1u << 11,   /* service: be its server */
    KP_RIGHTS_ALL = (1u << 12) - 1,
    KP_RIGHTS_SAME = 1u << 31, /* duplicate: keep the rights as they are */
};

/* Object types, as object_info returns them. */
enum {
    KP_TYPE_NONE = 0,
    KP_TYPE_ANY = 0, /* where a type is asked for: whichever */
    KP_TYPE_CHANNEL = 1,
    KP_TYPE_VMO = 2,
    KP_TYPE_EVENT = 3,
    KP_TYPE_PROCESS = 4,
    KP_TYPE_THREAD = 5,
    KP_TYPE_SERVICE = 6,
    KP_TYPE_DEVICE = 7,
    KP_TYPE_COORDINATOR = 8,
    KP_TYPE_JOB = 9,
    KP_TYPE_PORT = 10,
    KP_TYPE_TIMER = 11,
    KP_TYPE_CODE = 12,
    KP_TYPE_CODE_AUTHORITY = 13, /* the right to make code: code_create */
};

/* Signals: level-triggered state bits of an object that wait calls look at. */
typedef uint32_t kp_signals_t;
enum {
    KP_SIGNAL_READABLE = 1u << 0,    /* channel, device: a read would not return SHOULD_WAIT */
    KP_SIGNAL_WRITABLE = 1u << 1,    /* channel, device: a write would not return SHOULD_WAIT */
    KP_SIGNAL_PEER_CLOSED = 1u << 2, /* channel: the other end is gone (queued messages remain) */
    KP_SIGNAL_SIGNALED = 1u << 3,    /* event: set by object_signal; timer: the deadline passed */
    KP_SIGNAL_TERMINATED = 1u << 4,  /* process, thread: has ended */
    KP_SIGNAL_FROZEN = 1u << 5,      /* process: it is a snapshot now */
    KP_SIGNAL_USER_0 = 1u << 16,     /* bits 16..23 are free for object_signal on any object */
    KP_SIGNAL_USER_ALL = 0xffu << 16,
};

/* One entry of object_wait_many; observed is written by the kernel. */
typedef struct kp_wait_item {
    kp_handle_t handle;
    kp_signals_t signals;
    kp_signals_t observed;
} kp_wait_item_t;

#define KP_WAIT_MANY_MAX 256u
#define KP_CHANNEL_BYTES_MAX 65536u
#define KP_CHANNEL_HANDLES_MAX 64u

/* vmo_map flags. */
enum {
    KP_VMO_MAP_WRITE = 1u << 0, /* without it the mapping is read-only */
};

/* vmo_seal. */
enum {
    KP_VMO_SEAL_WRITE = 1u << 0,
    KP_VMO_SEAL_RESIZE = 1u << 1,
};

/* clock_get: which clock. */
enum {
    KP_CLOCK_MONOTONIC = 0, /* nanoseconds since boot */
    KP_CLOCK_REALTIME = 1,  /* nanoseconds since 1970-01-01T00:00:00Z */
    KP_CLOCK_PROCESS = 2,   /* processor time of the caller's process, ended threads included */
    KP_CLOCK_THREAD = 3,    /* processor time of the calling thread */
};

/* How a process ended. */
enum {
    KP_EXIT_NONE = 0,     /* still alive */
    KP_EXIT_NORMAL = 1,   /* process_exit; code holds its argument */
    KP_EXIT_TRAP = 2,     /* a WebAssembly trap; code holds kp_trap_t */
    KP_EXIT_FAULT = 3,    /* a hardware fault outside what WebAssembly may touch */
    KP_EXIT_KILLED = 4,   /* killed by a holder of KP_RIGHT_MANAGE or by the kernel */
    KP_EXIT_NO_START = 5, /* the image could not be loaded or memory was short */
};

/* WebAssembly traps, reported by process_trap. */
enum {
    KP_TRAP_NONE = 0,
    KP_TRAP_UNREACHABLE = 1,
    KP_TRAP_OUT_OF_BOUNDS = 2,
    KP_TRAP_DIVIDE_BY_ZERO = 3,
    KP_TRAP_INTEGER_OVERFLOW = 4,
    KP_TRAP_INVALID_CONVERSION = 5,
    KP_TRAP_CALL_INDIRECT = 6,
    KP_TRAP_STACK_OVERFLOW = 7,
    KP_TRAP_UNCAUGHT_EXCEPTION = 8,
    KP_TRAP_ABORT = 9,
    KP_TRAP_LIMIT = 10, /* fuel or memory that whoever runs the code allowed it */
};

/* What a process does now, as process_info says it. */
enum {
    KP_PROCESS_NEW = 0, /* not started yet */
    KP_PROCESS_RUNNING = 1,
    KP_PROCESS_FROZEN = 2, /* a snapshot; never runs again */
    KP_PROCESS_ENDED = 3,
};

#define KP_PROCESS_FUNCTION_MAX 64u
/* Threads of one process that live at a time. */
#define KP_PROCESS_THREADS_MAX 64u

/* process_info writes this. */
typedef struct kp_process_info {
    uint64_t id;
    char name[32];
    uint32_t exit_reason;   /* KP_EXIT_* */
    int32_t exit_code;      /* process_exit's argument, or the trap */
    uint64_t fault_address; /* offset in linear memory when it lies there, else an address */
    uint64_t private_bytes; /* committed memory that only this process holds */
    uint64_t shared_bytes;  /* mapped VMOs and shared image pages that are resident */
    uint64_t memory_bytes;  /* size of linear memory (committed or not) */
    uint64_t cpu_time_ns;
    uint64_t messages_sent;
    uint64_t calls;
    uint64_t faults; /* page faults that brought memory (hosted: as the host counts them) */
    uint64_t fault_instruction; /* offset in the program's image of what faulted or trapped; or 0 */
    uint32_t state;             /* KP_PROCESS_* */
    uint32_t suspended;         /* how many resumes it needs */
    uint32_t threads;           /* that live */
    uint32_t reserved;          /* 0 */
    /* The WebAssembly function that faulted or trapped, "" when the image does not tell. */
    char fault_function[KP_PROCESS_FUNCTION_MAX];
} kp_process_info_t;

#ifdef __cplusplus
#define KP_STATIC_ASSERT(x, why) static_assert(x, why)
#else
#define KP_STATIC_ASSERT(x, why) _Static_assert(x, why)
#endif
KP_STATIC_ASSERT(sizeof(kp_wait_item_t) == 12, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_process_info_t) == 8 + 32 + 8 + 9 * 8 + 16 + 64, "ABI layout");

#endif
