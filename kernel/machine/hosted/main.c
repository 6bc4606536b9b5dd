/* The hosted machine as a program: zygote, boot archive, devices, kernel; then the caller's
 * function. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hostfs.h"
#include "kernel/machine/hosted/hosted_internal.h"

#define SHUTDOWN_TIME (5 * KP_NS_PER_S)

static struct {
    int bundle_fd;
    const uint8_t *bundle;
    uint64_t bundle_size;
    uint64_t bundle_offset; /* in the file */
    const kp_hosted_directory_t *directories;
    size_t directory_count;
} machine;

kp_status_t kp_machine_directory(uint32_t index, kp_vfs_source_t **out)
{
    if (index >= machine.directory_count)
        return KP_ERR_NOT_FOUND;
    const kp_hosted_directory_t *directory = &machine.directories[index];
    int fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? KP_ERR_NOT_FOUND : KP_ERR_ACCESS_DENIED;
    kp_status_t status = kp_hosted_hostfs_create(fd, directory->read_only, out);
    if (status != KP_OK)
        close(fd);
    return status;
}

bool kp_hosted_file_of(const void *bytes, uint64_t size, int *fd, uint64_t *offset)
{
    uint64_t at = (uint64_t)((const uint8_t *)bytes - machine.bundle);
    if (!machine.bundle || at > machine.bundle_size || size > machine.bundle_size - at)
        return false;
    *fd = machine.bundle_fd;
    *offset = machine.bundle_offset + at;
    return true;
}

static kp_status_t open_bundle(const kp_hosted_options_t *options)
{
    struct stat info;
    machine.bundle_fd = open(options->bundle_path, O_RDONLY | O_CLOEXEC);
    if (machine.bundle_fd < 0 || fstat(machine.bundle_fd, &info) != 0) {
        fprintf(stderr, "kpio: %s: %s\n", options->bundle_path, strerror(errno));
        return KP_ERR_NOT_FOUND;
    }
    uint64_t offset = options->bundle_offset, size = options->bundle_size;
    uint64_t file_size = (uint64_t)info.st_size;
    if (offset % KP_PAGE_SIZE != 0 || offset >= file_size || size > file_size - offset)
        return KP_ERR_BAD_FORMAT;
    if (size == 0)
        size = file_size - offset;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, machine.bundle_fd, (off_t)offset);
    if (bytes == MAP_FAILED)
        return KP_ERR_NO_MEMORY;
    machine.bundle = bytes;
    machine.bundle_size = size;
    machine.bundle_offset = offset;
    return KP_OK;
}

/* Descriptors 0..2 must exist: a process replaces them by its own files. */
static void open_standard_files(void)
{
    int file;
    do
        file = open("/dev/null", O_RDWR);
    while (file >= 0 && file <= STDERR_FILENO);
    if (file >= 0)
        close(file);
}

/* Every VMO and process takes a few descriptors. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static kp_status_t start_devices(const kp_hosted_options_t *options)
{
    uint32_t width = options->width ? options->width : 1280;
    uint32_t height = options->height ? options->height : 800;
    kp_status_t status = kp_hosted_console_start(options->console_input);
    if (status == KP_OK)
        status = kp_hosted_rng_start();
    if (status == KP_OK && options->display != KP_HOSTED_DISPLAY_NONE)
        status = kp_hosted_screen_start(width, height);
    if (status == KP_OK && options->display == KP_HOSTED_DISPLAY_WINDOW)
        status = kp_hosted_window_start(width, height);
    if (status == KP_OK && options->net == KP_HOSTED_NET_SLIRP)
        status = kp_hosted_slirp_start();
    return status;
}

/* Adds what `net` means to the caller's command line; the last word of a key counts. */
static char *command_line(const kp_hosted_options_t *options)
{
    static const char *const nets[] = {
        [KP_HOSTED_NET_OFF] = "off",
        [KP_HOSTED_NET_HOST] = "kernel",
        [KP_HOSTED_NET_SLIRP] = "stack",
    };
    const char *given = options->command_line ? options->command_line : "";
    size_t size = strlen(given) + 32;
    char *line = malloc(size);
    if (line)
        snprintf(line, size, "%s net=%s", given, nets[options->net]);
    return line;
}

static kp_status_t run_kernel(const kp_hosted_options_t *options, int (*fn)(void *context),
                              void *context, int *result)
{
    kp_thread_t *thread = kp_thread_adopt("main");
    char *line = command_line(options);
    if (!thread || !line) {
        free(line); /* nothing runs yet, so the thread may leak: the program ends */
        return KP_ERR_NO_MEMORY;
    }
    kp_hosted_thread_attach(thread);
    kp_status_t status = start_devices(options);
    kp_boot_t boot = {
        .bundle = machine.bundle, .bundle_size = machine.bundle_size, .command_line = line};
    if (status == KP_OK)
        status = kp_kernel_start(&boot);
    if (status == KP_OK) {
        if (options->net == KP_HOSTED_NET_HOST)
            status = kp_hosted_net_service_start();
        if (status == KP_OK) {
            *result = fn ? fn(context) : 0;
            if (!fn)
                kp_kernel_run();
        }
        /* What does not end in time dies with the zygote. */
        if (kp_kernel_stop(kp_machine_now() + SHUTDOWN_TIME) != KP_OK)
            kp_log("hosted", KP_LOG_WARN, "processes did not end in time");
    }
    kp_hosted_thread_attach(NULL);
    kp_thread_ended(thread);
    free(line);
    return status;
}

kp_status_t kp_hosted_run(const kp_hosted_options_t *options, int (*fn)(void *context),
                          void *context, int *result)
{
    kp_hosted_base_start(options->log_level);
    machine.directories = options->directories;
    machine.directory_count = options->directory_count;
    kp_hosted_base_trace(options->trace_path);
    *result = 0;
    signal(SIGPIPE, SIG_IGN);
    open_standard_files();
    raise_file_limit();
    int zygote_pid;
    int zygote = kp_zygote_start(&zygote_pid);
    if (zygote < 0)
        return (kp_status_t)zygote;
    kp_status_t status = kp_hosted_children_start(zygote, zygote_pid);
    if (status == KP_OK)
        status = open_bundle(options);
    if (status == KP_OK)
        status = run_kernel(options, fn, context, result);
    kp_hosted_children_stop();
    return status;
}
