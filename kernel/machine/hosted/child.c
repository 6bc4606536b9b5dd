/* The kernel's side of the zygote: asks for processes, hears when they are forked or dead. */
#include "kernel/machine/hosted/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/object/mapping.h"

static struct {
    int socket;
    int pid;
    kp_spinlock_t lock;
    kp_list_t living; /* kp_hosted_child_t.link, each with a reference; guarded by: lock */
    uint64_t next_id; /* guarded by: lock */
} zygote;

void kp_hosted_child_acquire(kp_hosted_child_t *child)
{
    atomic_fetch_add(&child->references, 1);
}

void kp_hosted_child_release(kp_hosted_child_t *child)
{
    if (!child || atomic_fetch_sub(&child->references, 1) != 1)
        return;
    if (child->area)
        munmap(child->area, KP_AREA_SIZE);
    if (child->control_fd >= 0)
        close(child->control_fd);
    if (child->pid_fd >= 0)
        close(child->pid_fd);
    if (child->memory_file >= 0)
        close(child->memory_file);
    kp_kfree(child);
}

/* Wakes the threads that serve the process, whatever they wait for in their pages. A slot that is taken
   later sees is_dead or is_killed by itself. */
static void wake_servers(kp_hosted_child_t *child)
{
    for (uint32_t slot = 0; slot < atomic_load(&child->slots); slot++) {
        kp_call_page_t *page = kp_area_page(child->area, slot);
        atomic_store(&page->state, KP_PAGE_ENDED);
        kp_futex_wake(&page->state, INT32_MAX);
    }
}

/* By pid file, so that a number used again is never hit; old Linux (before 5.3) has only the
   number, which is safe here because the zygote reaps only what it also reports. */
static void send_signal_locked(kp_hosted_child_t *child, int signal)
{
    if (child->pid_fd >= 0)
        syscall(SYS_pidfd_send_signal, child->pid_fd, signal, NULL, 0);
    else if (child->pid > 0)
        kill(child->pid, signal);
}

/* What it has used until now, while it can be asked. */
static void read_time_locked(kp_hosted_child_t *child)
{
    if (child->pid <= 0 || atomic_load(&child->is_dead))
        return;
    /* The kernel's encoding of "processor clock of this process". */
    clockid_t clock = (clockid_t)((~(unsigned)child->pid) << 3 | 2);
    struct timespec time;
    if (clock_gettime(clock, &time) == 0)
        child->cpu_time_ns = (uint64_t)time.tv_sec * KP_NS_PER_S + (uint64_t)time.tv_nsec;
}

void kp_hosted_child_kill(kp_hosted_child_t *child)
{
    kp_spin_lock(&child->lock);
    read_time_locked(child); /* between its death and the zygote's notice nobody knows */
    atomic_store(&child->is_killed, true);
    if (!atomic_load(&child->is_dead))
        send_signal_locked(child, SIGKILL);
    kp_spin_unlock(&child->lock);
    wake_servers(child);
}

/* Patience for what SIGKILL does at once. */
#define DEATH_MS 10000

void kp_hosted_child_await_death(kp_hosted_child_t *child)
{
    for (int waited = 0; waited < DEATH_MS && !atomic_load(&child->is_dead); waited++) {
        kp_spin_lock(&child->lock);
        struct pollfd item = {.fd = child->pid_fd, .events = POLLIN};
        kp_spin_unlock(&child->lock);
        /* Without a pid file the zygote's word has to do. */
        if (poll(&item, 1, 1) > 0)
            return;
    }
}

/* Stopped or dead, by the host's own word ("pid (name) T ..."). True too when it cannot be asked. */
static bool thread_has_stopped(int pid, const char *thread)
{
    char text[512];
    kp_snprintf(text, sizeof(text), "/proc/%d/task/%s/stat", pid, thread);
    int file = open(text, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return true;
    ssize_t count = read(file, text, sizeof(text) - 1);
    close(file);
    text[KP_MAX(count, 0)] = 0;
    const char *name_end = strrchr(text, ')');
    return !name_end || strlen(name_end) < 3 || strchr("TtZXx", name_end[2]);
}

static bool has_stopped(const kp_hosted_child_t *child, int pid)
{
    char text[32];
    kp_snprintf(text, sizeof(text), atomic_load(&child->is_threaded) ? "/proc/%d/task" : "%d", pid);
    if (!atomic_load(&child->is_threaded))
        return thread_has_stopped(pid, text); /* its agent runs nothing of the program */
    DIR *folder = opendir(text);
    bool all = true;
    for (const struct dirent *entry; all && folder && (entry = readdir(folder)) != NULL;)
        all = entry->d_name[0] == '.' || thread_has_stopped(pid, entry->d_name);
    if (folder)
        closedir(folder);
    return all;
}

void kp_hosted_child_stop(kp_hosted_child_t *child)
{
    kp_spin_lock(&child->lock);
    if (child->stops++ == 0 && !atomic_load(&child->is_dead))
        send_signal_locked(child, SIGSTOP);
    kp_spin_unlock(&child->lock);
    /* Short: the signal interrupts it wherever it is. Before it is forked there is nobody to ask. */
    for (;;) {
        kp_spin_lock(&child->lock);
        int pid = child->pid;
        bool ours = child->stops > 0;
        kp_spin_unlock(&child->lock);
        if (!ours || atomic_load(&child->is_dead) || (pid > 0 && has_stopped(child, pid)))
            return;
        struct timespec pause = {.tv_nsec = 50000};
        nanosleep(&pause, NULL);
    }
}

void kp_hosted_child_continue(kp_hosted_child_t *child)
{
    kp_spin_lock(&child->lock);
    if (child->stops > 0 && --child->stops == 0 && !atomic_load(&child->is_dead))
        send_signal_locked(child, SIGCONT);
    kp_spin_unlock(&child->lock);
}

static void on_forked(kp_hosted_child_t *child, const kp_zygote_notice_t *notice, int pid_file)
{
    kp_spin_lock(&child->lock);
    child->pid = notice->pid;
    child->pid_fd = pid_file;
    if (atomic_load(&child->is_killed))
        send_signal_locked(child, SIGKILL);
    else if (child->stops > 0)
        send_signal_locked(child, SIGSTOP);
    kp_spin_unlock(&child->lock);
}

static void on_dead(kp_hosted_child_t *child, const kp_zygote_notice_t *notice)
{
    kp_spin_lock(&zygote.lock);
    kp_list_remove(&child->link);
    kp_spin_unlock(&zygote.lock);
    kp_spin_lock(&child->lock);
    child->status = notice->status;
    child->cpu_time_ns = notice->cpu_time_ns;
    child->faults = notice->faults;
    atomic_store(&child->is_dead, true);
    kp_spin_unlock(&child->lock);
    wake_servers(child);
    kp_hosted_child_release(child);
}

static kp_hosted_child_t *find(uint64_t id)
{
    kp_hosted_child_t *found = NULL;
    kp_spin_lock(&zygote.lock);
    for (kp_list_t *link = zygote.living.next; link != &zygote.living && !found;
         link = link->next) {
        kp_hosted_child_t *child = KP_CONTAINER_OF(link, kp_hosted_child_t, link);
        if (child->id == id)
            found = child; /* its list reference goes only on this thread */
    }
    kp_spin_unlock(&zygote.lock);
    return found;
}

static void *listen_to_zygote(void *unused)
{
    (void)unused;
    for (;;) {
        kp_zygote_notice_t notice;
        int pid_file = -1;
        size_t file_count = 1;
        ssize_t count =
            kp_hosted_receive(zygote.socket, &notice, sizeof(notice), &pid_file, &file_count, 0);
        if (count <= 0)
            return NULL; /* the system is ending */
        kp_hosted_child_t *child = find(notice.id);
        if (!child) {
            if (file_count > 0)
                close(pid_file);
        } else if (notice.is_dead || notice.pid == 0) {
            on_dead(child, &notice);
        } else {
            on_forked(child, &notice, file_count > 0 ? pid_file : -1);
        }
    }
}

kp_status_t kp_hosted_children_start(int zygote_socket, int zygote_pid)
{
    zygote.socket = zygote_socket;
    zygote.pid = zygote_pid;
    kp_spin_init(&zygote.lock);
    kp_list_init(&zygote.living);
    pthread_t thread;
    if (pthread_create(&thread, NULL, listen_to_zygote, NULL) != 0)
        return KP_ERR_NO_MEMORY;
    pthread_detach(thread);
    return KP_OK;
}

static kp_status_t make_area(kp_hosted_child_t *child, int *file)
{
    *file = kp_hosted_memfd("kpio-area");
    if (*file < 0 || ftruncate(*file, KP_AREA_SIZE) != 0)
        return KP_ERR_NO_MEMORY;
    fcntl(*file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    void *area = mmap(NULL, KP_AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
    if (area == MAP_FAILED)
        return KP_ERR_NO_MEMORY;
    child->area = area;
    child->page = kp_area_page(area, 0);
    return KP_OK;
}

/* Files of a request, without doubles: most mappings are of the boot archive. */
static kp_status_t add_file(int *files, uint32_t *count, int file, uint32_t *index)
{
    for (*index = 0; *index < *count && files[*index] != file; ++*index)
        ;
    if (*index == KP_ZYGOTE_FILES_MAX)
        return KP_ERR_QUOTA;
    if (*index == *count)
        files[(*count)++] = file;
    return KP_OK;
}

static kp_status_t add_mappings(kp_zygote_request_t *request, int *files,
                                const kp_mapping_t *mapping)
{
    for (; mapping; mapping = mapping->next) {
        if (request->mapping_count == KP_ZYGOTE_MAPPINGS)
            return KP_ERR_QUOTA;
        kp_zygote_mapping_t *record = &request->mappings[request->mapping_count++];
        uint64_t start;
        int file = kp_hosted_vmo_file(&mapping->vmo->machine, false, &start);
        if (file < 0)
            return KP_ERR_NO_MEMORY;
        *record = (kp_zygote_mapping_t){.address = (uint32_t)mapping->address,
                                        .length = (uint32_t)mapping->length,
                                        .offset = start + mapping->offset};
        kp_status_t status = add_file(files, &request->file_count, file, &record->file);
        if (status != KP_OK)
            return status;
    }
    return KP_OK;
}

static kp_status_t ask(kp_hosted_child_t *child, const kp_hosted_birth_t *birth, int area_fd)
{
    const kp_image_t *image = birth->image;
    kp_zygote_request_t request = {
        .id = child->id,
        .image_span = image->span,
        .image_entry = image->entry,
        .segment_count = image->segment_count,
        .initial_pages = (uint32_t)(birth->memory_bytes / KP_WASM_PAGE_SIZE),
        .layout = birth->layout,
        .file_count = KP_ZYGOTE_FILES,
        .is_clone = birth->snapshot != NULL,
        .lends_memory = birth->lends_memory,
    };
    kp_snprintf(request.name, sizeof(request.name), "%.15s", image->name);
    memcpy(request.segments, image->segments, sizeof(request.segments));
    int files[KP_ZYGOTE_FILES_MAX];
    if (!kp_hosted_file_of(image->bytes, image->size, &files[0], &request.image_offset))
        return KP_ERR_NOT_SUPPORTED;
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        if (errno == EMFILE || errno == ENFILE)
            kp_hosted_files_short();
        return KP_ERR_NO_MEMORY;
    }
    child->control_fd = sockets[0];
    files[1] = birth->memory_fd;
    files[2] = area_fd;
    files[3] = sockets[1];
    kp_status_t status = KP_OK;
    if (birth->snapshot) {
        files[request.file_count++] = birth->snapshot->state_fd;
        files[request.file_count++] = birth->snapshot->memory_fd;
        request.extent_count = birth->snapshot->extent_count;
        memcpy(request.extents, birth->snapshot->extents, sizeof(request.extents));
        status = add_mappings(&request, files, birth->mappings);
    }
    if (status != KP_OK) {
        close(sockets[1]);
        return status;
    }
    kp_hosted_child_acquire(child); /* for the list */
    kp_spin_lock(&zygote.lock);
    kp_list_append(&zygote.living, &child->link);
    kp_spin_unlock(&zygote.lock);
    ssize_t count =
        kp_hosted_send(zygote.socket, &request, sizeof(request), files, request.file_count);
    close(sockets[1]);
    if (count == (ssize_t)sizeof(request))
        return KP_OK;
    kp_spin_lock(&zygote.lock);
    kp_list_remove(&child->link);
    kp_spin_unlock(&zygote.lock);
    kp_hosted_child_release(child);
    return KP_ERR_NO_MEMORY;
}

kp_status_t kp_hosted_child_create(const kp_hosted_birth_t *birth, kp_hosted_child_t **out)
{
    kp_hosted_child_t *child = kp_kalloc(sizeof(*child));
    if (!child)
        return KP_ERR_NO_MEMORY;
    atomic_init(&child->references, 1);
    child->control_fd = child->pid_fd = -1;
    atomic_init(&child->memory_file, -1);
    child->lends_memory = birth->lends_memory;
    kp_list_init(&child->link);
    kp_spin_init(&child->lock);
    kp_spin_init(&child->start_lock);
    kp_spin_init(&child->order_lock);
    child->layout = birth->layout;
    atomic_init(&child->slots, 1);
    child->living = 1;
    kp_spin_lock(&zygote.lock);
    child->id = ++zygote.next_id;
    kp_spin_unlock(&zygote.lock);
    int area_fd = -1;
    kp_status_t status = make_area(child, &area_fd);
    if (status == KP_OK) {
        kp_orders_t *orders = kp_area_orders(child->area);
        orders->memory_bytes = birth->memory_bytes;
        orders->boot_ns = kp_hosted_boot_ns();
        atomic_init(&child->page->lane.deadline, INT64_MAX);
        atomic_init(&child->page->lane.alarm, INT64_MAX);
        for (const kp_mapping_t *each = birth->mappings; each; each = each->next)
            kp_hosted_orders_note_read_only(orders, each->address, each->length);
        status = ask(child, birth, area_fd);
    }
    if (area_fd >= 0)
        close(area_fd);
    if (status != KP_OK) {
        kp_hosted_child_release(child);
        return status;
    }
    *out = child;
    return KP_OK;
}

uint64_t kp_hosted_child_faults(kp_hosted_child_t *child)
{
    char text[512];
    kp_spin_lock(&child->lock);
    unsigned long long faults = child->faults;
    int pid = atomic_load(&child->is_dead) ? 0 : child->pid;
    kp_spin_unlock(&child->lock);
    if (pid <= 0)
        return faults;
    kp_snprintf(text, sizeof(text), "/proc/%d/stat", pid);
    int file = open(text, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return faults;
    ssize_t count = read(file, text, sizeof(text) - 1);
    close(file);
    text[KP_MAX(count, 0)] = 0;
    const char *name_end = strrchr(text, ')');
    /* After the name: state, five numbers, flags, minor faults. */
    if (name_end)
        (void)sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %llu", &faults);
    return faults;
}

/* It may run before the zygote's notice has come, by a moment. */
static void await_notice(kp_hosted_child_t *child)
{
    const struct timespec pause = {.tv_nsec = 50000};
    for (int i = 0; i < 200 && kp_hosted_child_pid(child) == 0 && !atomic_load(&child->is_killed);
         i++)
        nanosleep(&pause, NULL);
}

int kp_hosted_child_pid(kp_hosted_child_t *child)
{
    kp_spin_lock(&child->lock);
    int pid = child->pid;
    kp_spin_unlock(&child->lock);
    return pid;
}

uint64_t kp_hosted_child_cpu_time(kp_hosted_child_t *child)
{
    await_notice(child);
    kp_spin_lock(&child->lock);
    read_time_locked(child);
    uint64_t ns = child->cpu_time_ns;
    kp_spin_unlock(&child->lock);
    return ns;
}

size_t kp_hosted_children_pids(int *pids, size_t capacity)
{
    size_t count = 0;
    kp_spin_lock(&zygote.lock);
    for (kp_list_t *link = zygote.living.next; link != &zygote.living && count < capacity;
         link = link->next) {
        kp_hosted_child_t *child = KP_CONTAINER_OF(link, kp_hosted_child_t, link);
        kp_spin_lock(&child->lock);
        if (child->pid > 0)
            pids[count++] = child->pid;
        kp_spin_unlock(&child->lock);
    }
    kp_spin_unlock(&zygote.lock);
    return count;
}

void kp_hosted_children_stop(void)
{
    /* The zygote sees the end of the socket and exits; what still lives dies with it. */
    shutdown(zygote.socket, SHUT_RDWR);
    waitpid(zygote.pid, NULL, 0);
}
