#include "kernel/browser/coordinator.h"

#include "kernel/init/boot.h"
#include "kernel/init/files.h"
#include "kernel/ipc/channel.h"
#include "kernel/object/snapshot.h"
#include "kernel/object/wait.h"
#include "kernel/trace/trace.h"

#define TAB_MEBIBYTES 1024u
/* How long a tab may wait for the first snapshot; then it starts on its own. */
#define TEMPLATE_PATIENCE (20 * KP_NS_PER_S)

typedef struct tab {
    uint64_t number;       /* 0: free */
    kp_process_t *process; /* not referenced: `ended` removes it in time; NULL while it is made */
    bool is_front;
} tab_t;

static kp_object_t *coordinator;
static kp_spinlock_t tabs_lock;
static tab_t tabs[KP_TABS_MAX];        /* guarded by: tabs_lock */
static kp_coordinator_counts_t counts; /* guarded by: tabs_lock */

static void coordinator_destroy(kp_object_t *object)
{
    (void)object;
    kp_panic("coordinator: destroyed"); /* the static reference never goes */
}

static const kp_object_ops_t coordinator_ops = {.destroy = coordinator_destroy};

kp_status_t kp_coordinator_init(void)
{
    if (coordinator)
        return KP_OK;
    coordinator = kp_kalloc(sizeof(*coordinator));
    if (!coordinator)
        return KP_ERR_NO_MEMORY;
    kp_object_init(coordinator, KP_TYPE_COORDINATOR, &coordinator_ops);
    return KP_OK;
}

kp_object_t *kp_coordinator_object(void)
{
    return coordinator;
}

/* Takes a place in the table; its number, or 0 when all are taken. */
static uint64_t tab_reserve(void)
{
    uint64_t number = 0;
    kp_spin_lock(&tabs_lock);
    for (uint32_t i = 0; i < KP_TABS_MAX && number == 0; i++) {
        if (tabs[i].number)
            continue;
        number = ++counts.made;
        tabs[i] = (tab_t){.number = number};
        counts.alive++;
    }
    kp_spin_unlock(&tabs_lock);
    return number;
}

/* Frees the place; false when it is free already. Lock held. */
static bool tab_remove_locked(uint64_t number)
{
    for (uint32_t i = 0; i < KP_TABS_MAX && number != 0; i++) {
        if (tabs[i].number != number)
            continue;
        tabs[i] = (tab_t){0};
        counts.alive--;
        return true;
    }
    return false;
}

/* The number in "tab-NUMBER". */
static uint64_t tab_number(const kp_process_t *process)
{
    uint64_t number = 0;
    for (const char *at = process->name + 4; *at; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

static void tab_ended(kp_process_t *process)
{
    kp_process_info_t info;
    kp_process_info(process, &info);
    kp_job_kill(process->job); /* a tab is its job: nothing of it stays */
    kp_spin_lock(&tabs_lock);
    tab_remove_locked(tab_number(process));
    counts.failed += info.exit_reason != KP_EXIT_NORMAL && info.exit_reason != KP_EXIT_KILLED;
    kp_spin_unlock(&tabs_lock);
}

kp_coordinator_counts_t kp_coordinator_counts(void)
{
    kp_spin_lock(&tabs_lock);
    kp_coordinator_counts_t now = counts;
    kp_spin_unlock(&tabs_lock);
    return now;
}

kp_process_t *kp_coordinator_tab_find(uint64_t number)
{
    kp_process_t *found = NULL;
    kp_spin_lock(&tabs_lock);
    for (uint32_t i = 0; i < KP_TABS_MAX && number != 0; i++) {
        if (tabs[i].number == number && tabs[i].process) {
            found = tabs[i].process;
            kp_object_acquire(&found->object);
        }
    }
    kp_spin_unlock(&tabs_lock);
    return found;
}

/* The process of a place, unless it has ended meanwhile (and so left it). */
static void tab_enter(uint64_t number, kp_process_t *process)
{
    kp_spin_lock(&tabs_lock);
    for (uint32_t i = 0; i < KP_TABS_MAX; i++) {
        if (tabs[i].number == number)
            tabs[i].process = process;
    }
    kp_spin_unlock(&tabs_lock);
}

/* ---- Roles ---- */

/* In front: before everything but services and the compositor, beside the shell, whose toolbar gets the
   larger share, for it is how a user leaves a page that never rests. In the background: after everything
   else; half a processor is much for what nobody sees, and leaves the battery something; timers may be
   late enough to share a wake-up. */
static const kp_job_policy_t roles[] = {
    [KP_TAB_ROLE_BACKGROUND] = {.band = KP_BAND_BACKGROUND,
                                .weight = 100,
                                .cpu_cap = 50,
                                .slack_ns = 50 * KP_NS_PER_MS},
    [KP_TAB_ROLE_FRONT] = {.band = KP_BAND_FOREGROUND, .weight = 100},
    [KP_TAB_ROLE_CHROME] = {.band = KP_BAND_FOREGROUND, .weight = 300},
};

/* tabs_lock is held: whoever is told last is last in the jobs too. */
static void tab_set_role_locked(tab_t *tab, uint32_t role)
{
    tab->is_front = role == KP_TAB_ROLE_FRONT;
    kp_status_t status = kp_job_set_policy(tab->process->job, &roles[role]);
    KP_CHECK(status == KP_OK); /* its parent is the root, which allows everything */
    kp_trace(KP_TRACE_TAB_ROLE, tab->process->object.koid, role, 0);
}

kp_status_t kp_coordinator_tab_set_role(kp_process_t *process, uint32_t role)
{
    if (role >= KP_ARRAY_COUNT(roles))
        return KP_ERR_INVALID_ARGUMENT;
    tab_t *tab = NULL, *front = NULL;
    kp_spin_lock(&tabs_lock);
    for (uint32_t i = 0; i < KP_TABS_MAX; i++) {
        if (tabs[i].number == 0 || !tabs[i].process)
            continue;
        if (tabs[i].process == process)
            tab = &tabs[i];
        else if (tabs[i].is_front)
            front = &tabs[i];
    }
    if (tab && front && role == KP_TAB_ROLE_FRONT)
        tab_set_role_locked(front, KP_TAB_ROLE_BACKGROUND);
    if (tab)
        tab_set_role_locked(tab, role);
    kp_spin_unlock(&tabs_lock);
    return tab ? KP_OK : KP_ERR_NOT_FOUND;
}

/* ---- The snapshot that tabs are clones of ---- */

static kp_process_t
    *template; /* referenced; NULL: tabs start on their own; guarded by: tabs_lock */

static kp_process_t *template_exchange(kp_process_t *process)
{
    kp_spin_lock(&tabs_lock);
    kp_process_t *old = template;
    template = process;
    kp_spin_unlock(&tabs_lock);
    return old;
}

static void template_drop(kp_process_t *process)
{
    if (!process)
        return;
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    kp_object_release(&process->object);
}

void kp_coordinator_prepare(void)
{
    template_drop(template_exchange(NULL)); /* of an earlier start */
    const kp_image_t *image;
    kp_job_t *job;
    if (kp_files_image("tab", &image) != KP_OK ||
        kp_boot_job(TAB_MEBIBYTES, KP_BAND_NORMAL, &job) != KP_OK)
        return;
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "tab");
    kp_startup_argument(&startup, "snapshot");
    kp_files_grant(&startup, "fonts/");
    kp_files_grant(&startup, "ui/");
    kp_process_t *process;
    if (kp_startup_launch(&startup, "snapshot", image, job, NULL, &process) == KP_OK)
        template_drop(template_exchange(process));
    kp_object_release(&job->object);
}

/* Waits until the snapshot is made, the first time. NULL: there is none. */
static kp_snapshot_t *template_snapshot(void)
{
    kp_spin_lock(&tabs_lock);
    kp_process_t *process = template;
    if (process)
        kp_object_acquire(&process->object);
    kp_spin_unlock(&tabs_lock);
    if (!process)
        return NULL;
    kp_status_t status = kp_wait_one(&process->object, KP_SIGNAL_FROZEN | KP_SIGNAL_TERMINATED,
                                     kp_machine_now() + TEMPLATE_PATIENCE, NULL);
    kp_snapshot_t *snapshot = kp_process_snapshot(process);
    if (!snapshot && status != KP_ERR_CANCELLED) {
        kp_log("coordinator", KP_LOG_WARN, "no snapshot of a tab: tabs start on their own");
        kp_spin_lock(&tabs_lock);
        bool is_ours = template == process;
        if (is_ours)
            template = NULL;
        kp_spin_unlock(&tabs_lock);
        if (is_ours) {
            kp_object_acquire(&process->object);
            template_drop(process);
            kp_object_release(&process->object); /* the variable's */
        }
    }
    kp_object_release(&process->object);
    return snapshot;
}

static kp_status_t tab_launch(uint64_t number, const kp_image_t *image, kp_capability_t control,
                              kp_process_t **out)
{
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "tab");
    kp_startup_grant(&startup, "control", control);
    kp_boot_grant_service(&startup, "http", KP_RIGHT_CONNECT);
    kp_snapshot_t *snapshot = startup.snapshot = template_snapshot();
    if (!snapshot) {
        kp_files_grant(&startup, "fonts/");
        kp_files_grant(&startup, "ui/");
    }
    kp_job_t *job;
    kp_status_t status = kp_boot_job(TAB_MEBIBYTES, KP_BAND_NORMAL, &job);
    if (status == KP_OK) {
        char name[32];
        kp_snprintf(name, sizeof(name), "tab-%llu", (unsigned long long)number);
        status = kp_startup_launch(&startup, name, image, job, tab_ended, out);
        kp_object_release(&job->object);
    } else {
        kp_startup_clear(&startup);
    }
    kp_snapshot_release(snapshot);
    return status;
}

kp_status_t kp_coordinator_tab_create(kp_capability_t *channel, kp_capability_t *process)
{
    const kp_image_t *image;
    kp_status_t status = kp_files_image("tab", &image);
    if (status != KP_OK)
        return status;
    kp_capability_t ends[2];
    status = kp_channel_create(ends);
    if (status != KP_OK)
        return status;
    uint64_t number = tab_reserve();
    kp_process_t *made = NULL;
    if (number != 0) {
        status = tab_launch(number, image, ends[1], &made);
    } else {
        status = KP_ERR_QUOTA;
        kp_capability_close(&ends[1]);
    }
    if (status != KP_OK) {
        kp_capability_close(&ends[0]);
        kp_spin_lock(&tabs_lock);
        tab_remove_locked(number);
        kp_spin_unlock(&tabs_lock);
        return status;
    }
    tab_enter(number, made);
    *channel = ends[0];
    *process = kp_capability_create(&made->object, kp_object_default_rights(KP_TYPE_PROCESS));
    kp_object_release(&made->object);
    return KP_OK;
}
