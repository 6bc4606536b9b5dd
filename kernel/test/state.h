/* The test machine's embedded state: the core runs for real inside one Linux process, on pthreads,
   malloc'ed VMOs and byte arrays as linear memories. */
#ifndef KP_KERNEL_TEST_STATE_H
#define KP_KERNEL_TEST_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct kp_spinlock {
    pthread_mutex_t mutex;
} kp_spinlock_t;

typedef struct kp_machine_thread {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    _Atomic uint32_t band; /* of the last set_policy */
    _Atomic uint32_t lent; /* as if a caller had handed it the CPU; tests set it */
    atomic_bool keeps_lent;
    bool token;     /* guarded by: mutex */
    bool killed;    /* guarded by: mutex */
    bool in_call;   /* guarded by: mutex */
    bool suspended; /* guarded by: mutex */
    bool started;   /* guarded by: the start's mutex (machine.c) */
    bool ended;     /* kp_thread_ended was called, or is about to be; guarded by: mutex */
    void (*fn)(void *);
    void *argument;
} kp_machine_thread_t;

typedef struct kp_machine_space {
    uint8_t *memory;            /* linear memory */
    uint64_t size;              /* bytes of it that exist now */
    uint64_t reserve;           /* bytes of address space */
    uint8_t *read_only;         /* one byte per 4 KiB page: 1 under a read-only mapping */
    struct kp_test_code *codes; /* guarded by: lock */
    struct kp_test_guests *guests;
    uint64_t handler;
    kp_spinlock_t lock;
} kp_machine_space_t;

typedef struct kp_machine_snapshot {
    uint8_t *memory; /* what linear memory held, and NULL where nothing did */
    uint64_t size;
    uint64_t reserve;
} kp_machine_snapshot_t;

typedef struct kp_machine_vmo {
    int fd;         /* memfd */
    uint8_t *bytes; /* a view of VMO_VIEW bytes: growing needs no other */
    _Atomic uint64_t size;
    bool is_static;
    atomic_bool is_pinned;
} kp_machine_vmo_t;

#endif
