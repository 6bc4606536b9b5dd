#include "kernel/object/job.h"

#include "kernel/object/process_private.h"

#define WEIGHT_MAX 1000u

static kp_spinlock_t tree; /* guards what job.h says; before object locks */
static kp_job_t root;
static kp_quota_t root_quota;
static atomic_bool root_ready;

/* The next job of the subtree below `top` in preorder, or NULL. Tree lock held. */
static kp_job_t *job_next(const kp_job_t *top, kp_job_t *job)
{
    if (!kp_list_is_empty(&job->children))
        return KP_CONTAINER_OF(job->children.next, kp_job_t, link);
    while (job != top) {
        if (job->link.next != &job->parent->children)
            return KP_CONTAINER_OF(job->link.next, kp_job_t, link);
        job = job->parent;
    }
    return NULL;
}

/* ---- Life ---- */

static void job_destroy(kp_object_t *object)
{
    kp_job_t *job = kp_job_from_object(object);
    kp_job_t *parent = job->parent;
    KP_CHECK(parent && kp_list_is_empty(&job->children) && kp_list_is_empty(&job->processes));
    kp_spin_lock(&tree);
    kp_list_remove(&job->link);
    parent->cpu_time_ns += job->cpu_time_ns;
    kp_spin_unlock(&tree);
    kp_quota_release(job->quota);
    kp_object_fini(object);
    kp_kfree(job);
    kp_object_release(&parent->object);
}

static const kp_object_ops_t job_ops = {.destroy = job_destroy};

static void job_init(kp_job_t *job, kp_job_t *parent, kp_quota_t *quota)
{
    kp_object_init(&job->object, KP_TYPE_JOB, &job_ops);
    job->quota = quota;
    kp_list_init(&job->children);
    kp_list_init(&job->processes);
    kp_list_init(&job->link);
    kp_sched_cap_init(&job->cap, parent ? &parent->cap : NULL, 0);
}

kp_job_t *kp_job_root(void)
{
    if (atomic_load_explicit(&root_ready, memory_order_acquire))
        return &root;
    kp_spin_lock(&tree);
    if (!atomic_load(&root_ready)) {
        kp_quota_init(&root_quota, NULL, NULL);
        job_init(&root, NULL, &root_quota);
        /* The band is a ceiling: children start in NORMAL. */
        root.policy = (kp_job_policy_t){.band = KP_BAND_DEADLINE, .weight = 100};
        atomic_store_explicit(&root_ready, true, memory_order_release);
    }
    kp_spin_unlock(&tree);
    return &root;
}

static bool limits_fit(const kp_job_t *parent, const kp_job_limits_t *limits)
{
    kp_job_limits_t above;
    kp_quota_limits(parent->quota, &above);
    return limits->handles <= above.handles && limits->queued_bytes <= above.queued_bytes &&
           limits->pages <= above.pages && limits->processes <= above.processes &&
           limits->objects <= above.objects;
}

kp_status_t kp_job_create(kp_job_t *parent, const kp_job_limits_t *limits, kp_job_t **out)
{
    if (!limits_fit(parent, limits))
        return KP_ERR_INVALID_ARGUMENT;
    if (parent->depth >= KP_JOB_DEPTH_MAX)
        return KP_ERR_QUOTA;
    kp_job_t *job = kp_kalloc(sizeof(*job));
    kp_quota_t *quota = job ? kp_quota_create(parent->quota, limits) : NULL;
    if (!quota) {
        kp_kfree(job);
        return KP_ERR_NO_MEMORY;
    }
    job_init(job, parent, quota);
    job->parent = parent;
    job->depth = parent->depth + 1;
    kp_object_acquire(&parent->object);
    kp_status_t status = kp_object_charge(&job->object, parent->quota);
    kp_spin_lock(&tree);
    if (status == KP_OK && parent->killed)
        status = KP_ERR_BAD_STATE;
    if (status == KP_OK) {
        job->policy = parent->policy;
        job->policy.band = KP_MIN(parent->policy.band, (uint32_t)KP_BAND_NORMAL);
        job->policy.period_ns = job->policy.budget_ns = 0;
        job->policy.cpu_cap = 0; /* those above hold without it */
        atomic_init(&job->slack_ns, atomic_load(&parent->slack_ns));
        kp_list_append(&parent->children, &job->link);
    }
    kp_spin_unlock(&tree);
    if (status != KP_OK) {
        kp_object_release(&job->object);
        return status;
    }
    *out = job;
    return KP_OK;
}

/* ---- Policy ---- */

static bool policy_is_valid(const kp_job_policy_t *policy)
{
    if (policy->band >= KP_BANDS || policy->weight == 0 || policy->weight > WEIGHT_MAX ||
        policy->reserved != 0)
        return false;
    if (policy->band != KP_BAND_DEADLINE)
        return policy->period_ns == 0 && policy->budget_ns == 0;
    return policy->budget_ns > 0 && policy->budget_ns <= policy->period_ns / 2;
}

/* Tree lock held. */
static void policy_effective(const kp_job_t *job, kp_job_policy_t *policy)
{
    *policy = job->policy;
    for (const kp_job_t *above = job->parent; above; above = above->parent) {
        policy->band = KP_MIN(policy->band, above->policy.band);
        if (above->policy.cpu_cap && (!policy->cpu_cap || policy->cpu_cap > above->policy.cpu_cap))
            policy->cpu_cap = above->policy.cpu_cap;
        policy->slack_ns = KP_MAX(policy->slack_ns, above->policy.slack_ns);
    }
    if (policy->band != KP_BAND_DEADLINE)
        policy->period_ns = policy->budget_ns = 0;
}

void kp_job_policy(kp_job_t *job, kp_job_policy_t *policy)
{
    kp_spin_lock(&tree);
    policy_effective(job, policy);
    kp_spin_unlock(&tree);
}

/* A job that nothing bounds has no cap to ask at every switch of threads. */
static kp_sched_cap_t *policy_cap(kp_job_t *job, const kp_job_policy_t *effective)
{
    return effective->cpu_cap ? &job->cap : NULL;
}

/* Tree lock held. */
static void policy_apply(kp_process_t *process, const kp_job_policy_t *policy)
{
    kp_spin_lock(process->object.lock);
    uint32_t left = process->thread_count;
    for (uint32_t slot = 0; left > 0 && slot < KP_PROCESS_THREADS_MAX; slot++) {
        kp_thread_t *thread = process->threads[slot];
        if (!thread)
            continue;
        kp_priority_set_policy(thread, policy);
        kp_machine_thread_set_cap(thread, policy_cap(process->job, policy));
        left--;
    }
    kp_spin_unlock(process->object.lock);
}

kp_status_t kp_job_set_policy(kp_job_t *job, const kp_job_policy_t *policy)
{
    if (!policy_is_valid(policy))
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = KP_OK;
    kp_spin_lock(&tree);
    if (job->parent) {
        kp_job_policy_t above;
        policy_effective(job->parent, &above);
        if (policy->band > above.band || (above.cpu_cap && policy->cpu_cap > above.cpu_cap))
            status = KP_ERR_ACCESS_DENIED;
    }
    if (status == KP_OK) {
        job->policy = *policy;
        kp_sched_cap_set(&job->cap, policy->cpu_cap);
        for (kp_job_t *each = job; each; each = job_next(job, each)) {
            kp_job_policy_t effective;
            policy_effective(each, &effective);
            atomic_store_explicit(&each->slack_ns, effective.slack_ns, memory_order_relaxed);
            kp_list_t *link = each->processes.next;
            for (; link != &each->processes; link = link->next)
                policy_apply(KP_CONTAINER_OF(link, kp_process_t, membership.link), &effective);
        }
    }
    kp_spin_unlock(&tree);
    return status;
}

void kp_job_thread_start(kp_thread_t *thread)
{
    kp_job_t *job = thread->process->job;
    kp_job_policy_t policy;
    kp_spin_lock(&tree); /* until the thread has it, so that no later one comes before it */
    policy_effective(job, &policy);
    kp_priority_set_policy(thread, &policy);
    kp_machine_thread_set_cap(thread, policy_cap(job, &policy));
    kp_spin_unlock(&tree);
}

/* ---- Members ---- */

kp_status_t kp_job_join(kp_process_t *process)
{
    kp_job_t *job = process->job;
    kp_status_t status = kp_quota_charge(process->quota, KP_QUOTA_PROCESSES, 1);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&tree);
    if (job->killed) {
        status = KP_ERR_BAD_STATE;
    } else {
        process->membership.joined = true;
        for (kp_job_t *above = job; above; above = above->parent)
            above->living++;
    }
    kp_spin_unlock(&tree);
    if (status != KP_OK)
        kp_quota_refund(process->quota, KP_QUOTA_PROCESSES, 1);
    return status;
}

bool kp_job_enter(kp_process_t *process)
{
    kp_job_t *job = process->job;
    kp_spin_lock(&tree);
    bool killed = job->killed;
    if (!process->membership.left) {
        kp_list_append(&job->processes, &process->membership.link);
        kp_job_policy_t policy; /* it may have changed since kp_job_thread_start */
        policy_effective(job, &policy);
        policy_apply(process, &policy);
    }
    kp_spin_unlock(&tree);
    return !killed;
}

/* Tells those who wait for the end of a killed job. Tree lock held. */
static void job_tell_if_empty(kp_job_t *job)
{
    if (job->killed && job->living == 0)
        kp_object_signal(&job->object, 0, KP_SIGNAL_TERMINATED);
}

void kp_job_leave(kp_process_t *process)
{
    kp_job_t *job = process->job;
    kp_spin_lock(&tree);
    bool joined = process->membership.joined && !process->membership.left;
    process->membership.left = true;
    kp_list_remove(&process->membership.link);
    if (joined) {
        job->cpu_time_ns += atomic_load(&process->cpu_time_ns);
        for (kp_job_t *above = job; above; above = above->parent) {
            above->living--;
            job_tell_if_empty(above);
        }
    }
    kp_spin_unlock(&tree);
    if (joined)
        kp_quota_refund(process->quota, KP_QUOTA_PROCESSES, 1);
    kp_quota_close(process->quota);
}

void kp_job_kill(kp_job_t *job)
{
    kp_process_t *first = NULL;
    kp_spin_lock(&tree);
    for (kp_job_t *each = job; each; each = job_next(job, each)) {
        each->killed = true;
        kp_list_t *link = each->processes.next;
        for (; link != &each->processes; link = link->next) {
            kp_process_t *process = KP_CONTAINER_OF(link, kp_process_t, membership.link);
            if (process->membership.kill_queued) /* somebody else is at it */
                continue;
            process->membership.kill_queued = true;
            kp_object_acquire(&process->object);
            process->membership.kill_next = first;
            first = process;
        }
        job_tell_if_empty(each);
    }
    kp_spin_unlock(&tree);
    while (first) {
        kp_process_t *process = first;
        first = process->membership.kill_next;
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
        kp_object_release(&process->object);
    }
}

void kp_job_info(kp_job_t *job, kp_job_info_t *info)
{
    memset(info, 0, sizeof(*info));
    info->koid = job->object.koid;
    kp_quota_limits(job->quota, &info->limits);
    kp_quota_used(job->quota, &info->used);
    kp_spin_lock(&tree);
    policy_effective(job, &info->policy);
    for (kp_job_t *each = job; each; each = job_next(job, each)) {
        info->cpu_time_ns += each->cpu_time_ns;
        kp_list_t *link = each->processes.next;
        for (; link != &each->processes; link = link->next) {
            kp_process_t *process = KP_CONTAINER_OF(link, kp_process_t, membership.link);
            kp_spin_lock(process->object.lock);
            info->cpu_time_ns +=
                atomic_load(&process->cpu_time_ns) + kp_process_threads_time(process);
            kp_spin_unlock(process->object.lock);
        }
    }
    kp_spin_unlock(&tree);
}
