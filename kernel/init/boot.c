/* The boot table, and the kernel's start, run and stop. */
#include "kernel/init/boot.h"

#include "kernel/init/command_line.h"
#include "kernel/init/directories.h"
#include "kernel/init/fault.h"
#include "kernel/init/files.h"
#include "kernel/init/program.h"
#include "kernel/init/supervisor.h"
#include "kernel/init/trace.h"
#include "kernel/ipc/services.h"
#include "kernel/kernel.h"
#include "kernel/object/code.h"
#include "kernel/vfs/ramfs.h"
#include "kernel/vfs/vfs.h"

#define COMMAND_LINE_MAX 4096u
#define CACHE_MEMORY_BYTES (32u << 20)

static char command_line[COMMAND_LINE_MAX];
static uint64_t archive_bytes;
static kp_vfs_source_t *cache; /* of the compiler, in memory; made when it starts first */
static atomic_bool memory_report_wanted;

#define FRAME (KP_NS_PER_S / 60)

/* One program of the boot table. */
typedef struct boot_entry {
    const char *name;
    const char *serves;   /* service, or NULL */
    const char *connects; /* services, blanks between, or NULL */
    const char *devices;  /* device names, blanks between; a trailing '*' stands for a number */
    const char *files;    /* prefix of archive files, or NULL */
    uint32_t mebibytes;   /* memory limit */
    uint32_t band;        /* KP_BAND_* */
    bool is_shell;        /* gets the coordinator and the command line's words */
    bool on_demand;       /* starts when its service is first asked for */
    bool makes_code; /* gets the code authority, its own program and its job, for its workers */
} boot_entry_t;

static const boot_entry_t table[] = {
    {.name = "netstack",
     .serves = "net",
     .devices = "net0",
     .mebibytes = 128,
     .band = KP_BAND_SYSTEM},
    {.name = "http", .serves = "http", .connects = "net", .mebibytes = 512, .band = KP_BAND_SYSTEM},
    {.name = "display",
     .serves = "display",
     .devices = "gpu0 input*",
     .mebibytes = 1024,
     .band = KP_BAND_DEADLINE},
    {.name = "compiler",
     .serves = "compiler",
     .mebibytes = 1536,
     .band = KP_BAND_NORMAL,
     .on_demand = true,
     .makes_code = true},
    {.name = "shell",
     .connects = "display compiler",
     .devices = "console0",
     .files = "ui/",
     .mebibytes = 256,
     .band = KP_BAND_FOREGROUND,
     .is_shell = true},
};

static kp_program_t programs[KP_ARRAY_COUNT(table) + 1]; /* and the user's */
static atomic_uint services_missing; /* bit i: table[i] has not registered its service yet */

kp_status_t kp_boot_job(uint32_t mebibytes, uint32_t band, kp_job_t **job)
{
    const kp_job_limits_t limits = {.handles = 16384,
                                    .queued_bytes = 32u << 20,
                                    .pages = (uint64_t)mebibytes << 8,
                                    .processes = 64,
                                    .objects = 32768};
    kp_job_policy_t policy = {.band = band, .weight = 100};
    if (band == KP_BAND_DEADLINE) { /* half of each frame at 60 a second */
        policy.period_ns = FRAME;
        policy.budget_ns = FRAME / 2;
    }
    kp_status_t status = kp_job_create(kp_job_root(), &limits, job);
    if (status == KP_OK)
        status = kp_job_set_policy(*job, &policy);
    KP_ASSERT(status == KP_OK || status == KP_ERR_NO_MEMORY); /* nothing limits the root */
    return status;
}

void kp_boot_grant_service(kp_startup_t *startup, const char *name, kp_rights_t right)
{
    char handle_name[KP_SERVICE_NAME_MAX + 8];
    kp_snprintf(handle_name, sizeof(handle_name), "svc:%s", name);
    kp_service_t *service;
    kp_capability_t capability = {0};
    if (kp_service_find(name, &service) == KP_OK)
        capability = kp_capability_create(kp_service_object(service),
                                          kp_object_default_rights(KP_TYPE_SERVICE) | right);
    kp_startup_grant(startup, handle_name, capability);
}

/* Devices that the machine lacks are left out; the program finds out by their absence. */
static void grant_devices(kp_startup_t *startup, const char *names)
{
    char pattern[32];
    while (kp_command_line_next(&names, pattern, sizeof(pattern))) {
        size_t length = strlen(pattern);
        bool many = length > 0 && pattern[length - 1] == '*';
        kp_device_t *device;
        for (uint32_t i = 0; (device = kp_device_at(i)) != NULL; i++) {
            bool matches = many ? strncmp(device->name, pattern, length - 1) == 0
                                : strcmp(device->name, pattern) == 0;
            if (!matches)
                continue;
            char name[48];
            kp_snprintf(name, sizeof(name), "dev:%s", device->name);
            kp_startup_grant(startup, name,
                             kp_capability_create(kp_device_object(device),
                                                  kp_object_default_rights(KP_TYPE_DEVICE)));
        }
    }
}

/* Every word of the command line: the kernel's own options too, which the shell ignores. */
static void grant_arguments(kp_startup_t *startup)
{
    char *word = kp_kalloc(COMMAND_LINE_MAX);
    if (!word) {
        startup->status = KP_ERR_NO_MEMORY;
        return;
    }
    const char *position = command_line;
    while (kp_command_line_next(&position, word, COMMAND_LINE_MAX))
        kp_startup_argument(startup, word);
    kp_kfree(word);
}

/* The words spawn=PROGRAM, for tests: the shell may start such programs, in a job with wide limits that
   is its own, too. startup NULL: is there any such word? */
static bool grant_spawning(kp_startup_t *startup, kp_job_t *job)
{
    char word[KP_BUNDLE_NAME_MAX];
    const char *position = command_line;
    bool any = false;
    while (kp_command_line_next(&position, word, sizeof(word))) {
        if (strncmp(word, "spawn=", 6) != 0)
            continue;
        any = true;
        if (startup)
            kp_files_grant_code(startup, word + 6);
    }
    if (any && startup)
        kp_startup_grant(startup, "job",
                         kp_capability_create(&job->object, kp_object_default_rights(KP_TYPE_JOB)));
    return any;
}

/* For tests, to the shell: the words directory=NAME[=RIGHTS], an empty directory in memory by that name; the words
   service=NAME, such a service, to serve and to connect to. */
static void grant_for_tests(kp_startup_t *startup, kp_job_t *job)
{
    char word[KP_BUNDLE_NAME_MAX];
    const char *position = command_line;
    while (kp_command_line_next(&position, word, sizeof(word))) {
        if (strncmp(word, "directory=", 10) == 0)
            kp_directories_grant_memory(startup, word + 10, job->quota);
        else if (strncmp(word, "service=", 8) == 0)
            kp_boot_grant_service(startup, word + 8, KP_RIGHT_SERVE | KP_RIGHT_CONNECT);
    }
}

/* Where the compiler keeps what it made. The word cache=FROM: there (directories.h); cache=off: nowhere. Else in memory,
   which outlives the service, not the system. cache-bytes=N: how much. */
static void grant_cache(kp_startup_t *startup, kp_quota_t *quota)
{
    const kp_ramfs_options_t options = {.pages_max = CACHE_MEMORY_BYTES / KP_PAGE_SIZE};
    char from[KP_BUNDLE_NAME_MAX], bytes[24], argument[48];
    kp_capability_t channel = {0};
    bool is_given = kp_command_line_get(command_line, "cache", from, sizeof(from));
    bool is_sized = kp_command_line_get(command_line, "cache-bytes", bytes, sizeof(bytes));
    if (is_given && strcmp(from, "off") == 0)
        return;
    if (is_sized)
        kp_snprintf(argument, sizeof(argument), "cache-bytes=%s", bytes);
    else
        kp_snprintf(argument, sizeof(argument), "cache-bytes=%u",
                    is_given ? 0 : CACHE_MEMORY_BYTES);
    kp_startup_argument(startup, argument);
    if (is_given) {
        kp_directories_grant_from(startup, "cache", from, quota);
        return;
    }
    if ((cache || kp_ramfs_create(&options, &cache) == KP_OK) &&
        kp_vfs_open(cache, "", KP_FILE_RIGHTS_CHANGE, quota, &channel) == KP_OK)
        kp_startup_grant(startup, "dir:cache=31", channel);
}

/* The names are abi/startup.h's. */
static void grant_making_code(kp_startup_t *startup, const char *name, kp_job_t *job)
{
    kp_startup_grant(startup, "code-authority",
                     kp_capability_create(kp_code_authority(),
                                          kp_object_default_rights(KP_TYPE_CODE_AUTHORITY)));
    kp_files_grant_code(startup, name);
    kp_startup_grant(startup, "job",
                     kp_capability_create(&job->object, kp_object_default_rights(KP_TYPE_JOB)));
    grant_cache(startup, job->quota);
}

static kp_status_t entry_job(const boot_entry_t *entry, kp_job_t **job)
{
    static const kp_job_limits_t wide = {.handles = 1u << 17,
                                         .queued_bytes = 32u << 20,
                                         .pages = 1u << 22,
                                         .processes = 4096,
                                         .objects = 1u << 17};
    if (entry->is_shell && grant_spawning(NULL, NULL))
        return kp_job_create(kp_job_root(), &wide, job);
    return kp_boot_job(entry->mebibytes, entry->band, job);
}

static kp_status_t entry_launch(const kp_program_t *program, kp_process_t **out)
{
    const boot_entry_t *entry = &table[0];
    while (strcmp(entry->name, program->name) != 0)
        entry++;
    const kp_image_t *image;
    kp_status_t status = kp_files_image(entry->name, &image);
    if (status != KP_OK)
        return status;
    kp_job_t *job;
    status = entry_job(entry, &job);
    if (status != KP_OK)
        return status;
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, entry->name);
    if (entry->is_shell)
        grant_arguments(&startup);
    if (entry->serves)
        kp_boot_grant_service(&startup, entry->serves, KP_RIGHT_SERVE);
    char service[KP_SERVICE_NAME_MAX + 1];
    for (const char *names = entry->connects;
         names && kp_command_line_next(&names, service, sizeof(service));)
        kp_boot_grant_service(&startup, service, KP_RIGHT_CONNECT);
    if (entry->makes_code)
        grant_making_code(&startup, entry->name, job);
    if (entry->devices)
        grant_devices(&startup, entry->devices);
    if (entry->files)
        kp_files_grant(&startup, entry->files);
    if (entry->is_shell)
        kp_startup_grant(&startup, "coordinator",
                         kp_capability_create(kp_coordinator_object(),
                                              kp_object_default_rights(KP_TYPE_COORDINATOR)));
    if (entry->is_shell)
        (void)grant_spawning(&startup, job);
    if (entry->is_shell)
        grant_for_tests(&startup, job);
    status = kp_startup_launch(&startup, entry->name, image, job, NULL, out);
    kp_object_release(&job->object);
    return status;
}

void kp_boot_service_registered(const char *name)
{
    for (size_t i = 0; i < KP_ARRAY_COUNT(table); i++) {
        if (!table[i].serves || strcmp(table[i].serves, name) != 0)
            continue;
        unsigned bit = 1u << i;
        unsigned before = atomic_fetch_and(&services_missing, ~bit);
        if (before == bit)
            (void)kp_boot_mark("services");
    }
}

static bool entry_is_wanted(const boot_entry_t *entry)
{
    if (strcmp(entry->name, "netstack") == 0)
        return !kp_command_line_is(command_line, "net", "kernel") &&
               !kp_command_line_is(command_line, "net", "off");
    return !kp_command_line_is(command_line, entry->name, "off");
}

kp_status_t kp_kernel_start(const kp_boot_t *boot)
{
    const char *line = boot->command_line ? boot->command_line : "";
    size_t length = KP_MIN(strlen(line), (size_t)COMMAND_LINE_MAX - 1);
    memcpy(command_line, line, length);
    command_line[length] = 0;
    atomic_store(&memory_report_wanted, kp_command_line_is(command_line, "report", "memory"));
    kp_fault_init(command_line);
    kp_boot_trace_start(command_line);
    kp_status_t status = kp_files_open(boot->bundle, boot->bundle_size);
    archive_bytes = boot->bundle ? boot->bundle_size : 0;
    if (status != KP_OK) {
        kp_log("boot", KP_LOG_ERROR, "boot archive: %s", kp_status_text(status));
        return status;
    }
    kp_code_authority_init();
    status = kp_vfs_init();
    if (status == KP_OK)
        status = kp_coordinator_init();
    if (status != KP_OK)
        return status;
    (void)kp_boot_mark("kernel");
    uint32_t count = 0;
    unsigned missing = 0;
    for (size_t i = 0; i < KP_ARRAY_COUNT(table); i++) {
        const kp_image_t *image;
        if (!entry_is_wanted(&table[i]))
            continue;
        if (table[i].on_demand) /* looked at when it is wanted */
            status = kp_files_has_image(table[i].name) ? KP_OK : KP_ERR_NOT_FOUND;
        else
            status = kp_files_image(table[i].name, &image);
        if (status != KP_OK) {
            kp_log("boot", status == KP_ERR_NOT_FOUND ? KP_LOG_WARN : KP_LOG_ERROR,
                   "program %s left out: %s", table[i].name, kp_status_text(status));
            continue;
        }
        if (table[i].serves && !table[i].on_demand)
            missing |= 1u << i;
        programs[count++] =
            (kp_program_t){.name = table[i].name,
                           .launch = entry_launch,
                           .ends_system = table[i].is_shell,
                           .on_demand = table[i].on_demand ? table[i].serves : NULL};
    }
    count += kp_boot_program(command_line, &programs[count]);
    atomic_store(&services_missing, missing);
    /* Who has no shell wants one tab, and at once. */
    if (!kp_command_line_is(command_line, "shell", "off") &&
        !kp_command_line_is(command_line, "tabs", "fresh"))
        kp_coordinator_prepare();
    return kp_supervisor_start(programs, count);
}

void kp_kernel_run(void)
{
    (void)kp_kernel_join(KP_TIME_INFINITE);
}

kp_status_t kp_kernel_join(kp_time_t deadline)
{
    kp_status_t status = kp_supervisor_join(deadline);
    if (status == KP_OK) { /* nobody is left who could use it */
        kp_vfs_source_release(cache);
        cache = NULL;
    }
    return status;
}

kp_status_t kp_kernel_stop(kp_time_t deadline)
{
    kp_boot_trace_finish();
    kp_supervisor_stop(0);
    return kp_kernel_join(deadline);
}

void kp_kernel_main(const kp_boot_t *boot)
{
    kp_status_t status = kp_kernel_start(boot);
    if (status != KP_OK)
        kp_machine_shutdown(1);
    kp_kernel_run();
    kp_boot_trace_finish();
    kp_machine_shutdown(kp_supervisor_exit_code());
}

/* ---- Marks and the memory report ---- */

static bool mark_is_valid(const char *name)
{
    for (const char *at = name; *at; at++) {
        char c = *at;
        bool valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.';
        if (!valid)
            return false;
    }
    return name[0] != 0;
}

kp_status_t kp_boot_mark(const char *name)
{
    if (!mark_is_valid(name))
        return KP_ERR_INVALID_ARGUMENT;
    kp_log("boot", KP_LOG_INFO, "boot-mark %s %lld", name, (long long)kp_machine_now());
    if (kp_boot_trace_mark(name))
        kp_supervisor_stop(0);
    if (atomic_load(&memory_report_wanted) && strcmp(name, "kernel") != 0)
        kp_kernel_report_memory();
    kp_fault_mark(name);
    return KP_OK;
}

static void process_report(kp_process_t *process, void *context)
{
    (void)context;
    kp_process_info_t info;
    kp_process_info(process, &info);
    kp_log("memory", KP_LOG_INFO, "process %s %llu private=%llu shared=%llu linear=%llu", info.name,
           (unsigned long long)info.id, (unsigned long long)info.private_bytes,
           (unsigned long long)info.shared_bytes, (unsigned long long)info.memory_bytes);
}

static void objects_report(void)
{
    static const char *const names[] = {
        [KP_TYPE_CHANNEL] = "channel", [KP_TYPE_VMO] = "vmo",        [KP_TYPE_EVENT] = "event",
        [KP_TYPE_PROCESS] = "process", [KP_TYPE_THREAD] = "thread",  [KP_TYPE_SERVICE] = "service",
        [KP_TYPE_DEVICE] = "device",   [KP_TYPE_COORDINATOR] = NULL, [KP_TYPE_JOB] = "job",
        [KP_TYPE_PORT] = "port",       [KP_TYPE_TIMER] = "timer",    [KP_TYPE_CODE] = "code"};
    char line[320];
    int length = 0;
    for (uint32_t type = 0; type < KP_ARRAY_COUNT(names); type++) {
        if (names[type])
            length += kp_snprintf(line + length, sizeof(line) - (size_t)length, " %s=%llu",
                                  names[type], (unsigned long long)kp_object_count(type));
    }
    kp_log("memory", KP_LOG_INFO, "objects%s", line);
}

void kp_kernel_report_memory(void)
{
    kp_process_each(process_report, NULL);
    objects_report();
    if (kp_machine_memory_usage) {
        kp_memory_usage_t usage = {0};
        kp_machine_memory_usage(&usage);
        kp_log("memory", KP_LOG_INFO, "total used=%llu size=%llu image=%llu archive=%llu vmos=%llu",
               (unsigned long long)usage.used, (unsigned long long)usage.size,
               (unsigned long long)usage.image, (unsigned long long)archive_bytes,
               (unsigned long long)usage.vmos);
    }
}
