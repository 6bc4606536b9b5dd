/* Jobs: a tree that carries quotas and policy; processes are its leaves. */
#ifndef KP_ABI_JOB_H
#define KP_ABI_JOB_H

#include "abi/types.h"

/* Priority bands, least first. A thread of a higher band runs before those of lower ones; inside a
   band processor time is shared by weight. */
enum {
    KP_BAND_BACKGROUND = 0, /* tabs that nobody sees; bounded by cpu_cap */
    KP_BAND_NORMAL = 1,
    KP_BAND_FOREGROUND = 2, /* the tab in front */
    KP_BAND_SYSTEM = 3,     /* services that others wait for */
    KP_BAND_DEADLINE = 4,   /* the compositor: budget out of each period, earliest deadline first */
    KP_BANDS = 5,
};

typedef struct kp_job_limits {
    uint64_t handles;      /* open, and in messages sent but not yet read */
    uint64_t queued_bytes; /* of messages sent but not yet read */
    uint64_t pages;        /* 4 KiB: linear memory and VMOs, committed or not */
    uint64_t processes;
    uint64_t
        objects; /* kernel objects of every kind that its processes made and that still exist */
} kp_job_limits_t;

/* Band and cap of the parent bound those of a child. */
typedef struct kp_job_policy {
    uint32_t band;   /* KP_BAND_* */
    uint32_t weight; /* share inside the band: 1..1000, 100 is usual */
    uint32_t
        cpu_cap; /* percent of one CPU that the subtree may use in 100 ms; 0: no cap of its own */
    uint32_t reserved;  /* 0 */
    uint64_t period_ns; /* KP_BAND_DEADLINE only */
    uint64_t budget_ns; /* KP_BAND_DEADLINE only: at most half the period */
    uint64_t slack_ns;  /* least slack of its timers, and the grain of its waits on the clock */
} kp_job_policy_t;

typedef struct kp_job_info {
    uint64_t koid;
    kp_job_limits_t limits;
    kp_job_limits_t used; /* by the subtree */
    uint64_t cpu_time_ns; /* by the subtree, ended processes included */
    kp_job_policy_t policy;
} kp_job_info_t;

/* process_create, process_clone. */
typedef struct kp_process_create {
    kp_handle_t code;    /* KP_TYPE_CODE with KP_RIGHT_EXECUTE: a program image; taken by reference.
                         ERR_WRONG_TYPE: code made at run time */
    kp_handle_t startup; /* channel end with KP_RIGHT_TRANSFER: moved on success; or 0 */
    kp_handle_t job;     /* process_clone: the job it will be in (KP_RIGHT_MANAGE) */
    uint32_t reserved;   /* 0 */
    char name[32];       /* ends with 0 */
} kp_process_create_t;

KP_STATIC_ASSERT(sizeof(kp_job_limits_t) == 40, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_job_policy_t) == 40, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_job_info_t) == 8 + 40 + 40 + 8 + 40, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_process_create_t) == 48, "ABI layout");

#endif
