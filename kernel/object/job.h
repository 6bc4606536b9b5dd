/* A job: a group of processes with limits (kernel/object/quota.h) and a policy; jobs form a tree. What
   happens to a job (kill, limits, policy) happens to all below it.

   A child holds a reference to its parent, a process to its job. A job without handles lives on while
   something is in it.

   Locks: one for the tree (job.c), which guards membership and policies; before object locks. It is on
   no call's hot path: creation and end of processes, changes of jobs and questions about them. */
#ifndef KP_KERNEL_JOB_H
#define KP_KERNEL_JOB_H

#include "kernel/object/object.h"
#include "kernel/object/quota.h"
#include "kernel/sched/cap.h"

#define KP_JOB_DEPTH_MAX 32u /* the root's is 0; so a job's account and a process's always fit */

/* A process's part of it; guarded by: tree lock. */
typedef struct kp_job_membership {
    kp_list_t link; /* in job->processes while it has entered */
    kp_process_t *kill_next;
    bool joined, left, kill_queued;
} kp_job_membership_t;

struct kp_job {
    kp_object_t object;
    kp_job_t *parent;          /* NULL: the root */
    kp_quota_t *quota;         /* never changes */
    uint32_t depth;            /* never changes */
    bool killed;               /* nothing can be added any more; guarded by: tree lock */
    uint64_t living;           /* processes of the subtree; guarded by: tree lock */
    kp_job_policy_t policy;    /* as it was set; guarded by: tree lock */
    uint64_t cpu_time_ns;      /* of ended processes and jobs; guarded by: tree lock */
    kp_sched_cap_t cap;        /* the policy's; charged by all threads of the subtree */
    _Atomic uint64_t slack_ns; /* the policy's as it holds, to be read without the lock */
    kp_list_t children;        /* kp_job_t.link; guarded by: tree lock */
    kp_list_t processes;       /* kp_process_t.membership.link; guarded by: tree lock */
    kp_list_t link;            /* guarded by: tree lock */
};

/* The root of all: no limits, every band. Exists for ever. */
kp_job_t *kp_job_root(void);

/* A child with one reference (release job->object). Limits above the parent's: ERR_INVALID_ARGUMENT;
   deeper than KP_JOB_DEPTH_MAX: ERR_QUOTA; the parent was killed: ERR_BAD_STATE. ERR_NO_MEMORY. */
kp_status_t kp_job_create(kp_job_t *parent, const kp_job_limits_t *limits, kp_job_t **out);

/* ERR_INVALID_ARGUMENT; ERR_ACCESS_DENIED: above the parent's band or cap. Holds at once for every
   thread in the subtree, with bands and caps cut to those above. */
kp_status_t kp_job_set_policy(kp_job_t *job, const kp_job_policy_t *policy);
/* As it holds: cut to those above. */
void kp_job_policy(kp_job_t *job, kp_job_policy_t *policy);

/* Ends every process of the subtree (KP_EXIT_KILLED) and refuses new ones. Returns at once; the
   processes say TERMINATED one by one, a killed job when none of its subtree is left. */
void kp_job_kill(kp_job_t *job);

void kp_job_info(kp_job_t *job, kp_job_info_t *info);

/* ---- For kernel/object/process.c ---- */

/* The process joins its job (process->job, referenced by it): charges one process to process->quota.
   ERR_BAD_STATE: the job was killed. ERR_QUOTA. */
kp_status_t kp_job_join(kp_process_t *process);
/* From now on kp_process_end ends it, and kp_job_kill may call that. False: the job was killed since it
   joined, so the caller has to end it. Harmless when it has left. */
bool kp_job_enter(kp_process_t *process);
/* Everything of the process has been freed: its place and its share of credit are free. Harmless for
   one that has not joined. */
void kp_job_leave(kp_process_t *process);
/* Gives a thread the policy of its process's job: before it runs, and when the process has it. */
void kp_job_thread_start(kp_thread_t *thread);

static inline kp_job_t *kp_job_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_JOB);
    return KP_CONTAINER_OF(object, kp_job_t, object);
}

#endif
