#include "tools/kpio/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/bundle.h"
#include "abi/file.h"
#include "kernel/init/program.h"
#include "kernel/init/supervisor.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted.h"
#include "tools/kpio/file.h"
#include "tools/kpio/kpio.h"

enum {
    FILES_MAX = 64, /* a startup message has room for as many handles */
    FILE_BYTES_MAX = 256 << 20,
    ARGUMENT_BYTES_MAX = 16000,
    RUNNER_MEBIBYTES = 512, /* of the job, beside the program's own memory: runtime and tables */
};

#define INPUT_NAME "program/.stdin"
#define DIRECTORIES_MAX 32

/* ---- the archive ---- */

typedef struct part {
    kp_bundle_entry_t entry;
    const uint8_t *bytes;
    uint64_t stored; /* how many; a packed file has fewer than its size */
    uint8_t *owned;  /* to be freed */
} part_t;

typedef struct archive {
    part_t parts[FILES_MAX];
    size_t count;
} archive_t;

static bool add(archive_t *archive, const char *name, const uint8_t *bytes, size_t size,
                uint8_t *owned)
{
    bool good = archive->count < FILES_MAX && strlen(name) < KP_BUNDLE_NAME_MAX;
    for (size_t i = 0; good && i < archive->count; i++)
        good = strcmp(archive->parts[i].entry.name, name) != 0;
    if (!good) {
        free(owned);
        return false;
    }
    part_t *part = &archive->parts[archive->count++];
    *part = (part_t){.bytes = bytes, .stored = size, .owned = owned};
    snprintf(part->entry.name, sizeof part->entry.name, "%s", name);
    part->entry.size = size;
    return true;
}

/* The runner and the compiler, out of the system's archive. */
static bool add_system(archive_t *archive, const uint8_t *bytes, size_t size)
{
    static const char *const wanted[] = {"programs/compiler.kpi",
                                         "programs/" KP_BOOT_PROGRAM ".kpi", "symbols/compiler.sym",
                                         "symbols/" KP_BOOT_PROGRAM ".sym"};
    kp_bundle_header_t header;
    bool found = false;
    if (size < sizeof header)
        return false;
    memcpy(&header, bytes, sizeof header);
    if (header.magic != KP_BUNDLE_MAGIC ||
        header.entry_count > (size - sizeof header) / sizeof(kp_bundle_entry_t))
        return false;
    for (uint32_t i = 0; i < header.entry_count; i++) {
        kp_bundle_entry_t entry;
        memcpy(&entry, bytes + sizeof header + i * sizeof entry, sizeof entry);
        entry.name[sizeof entry.name - 1] = '\0';
        uint64_t stored = entry.packed_size ? entry.packed_size : entry.size;
        if (entry.offset > size || stored > size - entry.offset)
            return false;
        for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++) {
            if (strcmp(entry.name, wanted[k]) != 0)
                continue;
            if (!add(archive, entry.name, bytes + entry.offset, stored, NULL))
                return false;
            archive->parts[archive->count - 1].entry.size = entry.size;
            archive->parts[archive->count - 1].entry.packed_size = entry.packed_size;
        }
        found = found || strcmp(entry.name, wanted[1]) == 0;
    }
    return found;
}

/* All that standard input has, read to its end. */
static bool add_input(archive_t *archive)
{
    size_t size = 0, room = 65536;
    uint8_t *bytes = malloc(room);
    ssize_t count = -1;
    while (bytes && (count = read(STDIN_FILENO, bytes + size, room - size)) > 0) {
        size += (size_t)count;
        if (size < room)
            continue;
        uint8_t *grown = room < FILE_BYTES_MAX ? realloc(bytes, room *= 2) : NULL;
        if (!grown) {
            count = -1;
            break;
        }
        bytes = grown;
    }
    if (count == 0 && bytes)
        return add(archive, INPUT_NAME, bytes, size, bytes);
    free(bytes);
    kp_kpio_say("standard input cannot be read");
    return false;
}

static bool add_file(archive_t *archive, const char *name, const char *path)
{
    uint8_t *bytes;
    size_t size;
    kp_status_t status = kp_file_read(path, FILE_BYTES_MAX, &bytes, &size);
    if (status != KP_OK) {
        kp_kpio_say("%s: %s", path, kp_file_reason(status));
        return false;
    }
    if (add(archive, name, bytes, size, bytes))
        return true;
    kp_kpio_say("%s: too many files, too long a name, or one that is taken", name);
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool append(char *text, size_t *used, const char *word)
{
    size_t length = strlen(word) + 1;
    if (length > ARGUMENT_BYTES_MAX - *used) {
        kp_kpio_say("the program's arguments and environment are longer than %d bytes",
                    ARGUMENT_BYTES_MAX);
        return false;
    }
    memcpy(text + *used, word, length);
    *used += length;
    return true;
}

/* Of "64M", "2G", "65536"; false: not a number of bytes. */
static bool read_bytes(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (text[0] < '0' || text[0] > '9' || errno || end[shift != 0] || *value > UINT64_MAX >> shift)
        return false;
    *value <<= shift;
    return true;
}

/* Options that the runner would refuse; said. */
static bool options_valid(const kp_user_program_t *program)
{
    uint64_t bytes;
    const char *tier = program->tier, *fuel = program->fuel, *memory = program->memory_maximum;
    const char *compile = program->compile;
    if (tier && strcmp(tier, "compile") != 0 && strcmp(tier, "interpret") != 0)
        kp_kpio_say("--tier takes compile or interpret, not \"%s\"", tier);
    else if (compile && strcmp(compile, "eager") != 0 && strcmp(compile, "lazy") != 0)
        kp_kpio_say("--compile takes eager or lazy, not \"%s\"", compile);
    else if (fuel && (fuel[0] == '\0' || fuel[strspn(fuel, "0123456789")] != '\0'))
        kp_kpio_say("--fuel takes a number, not \"%s\"", fuel);
    else if (memory && !read_bytes(memory, &bytes))
        kp_kpio_say("--max-memory takes bytes (64M, 1G), not \"%s\"", memory);
    else
        return true;
    return false;
}

/* A name alone is what it is here, if it is set. */
static bool append_environment(char *text, size_t *used, const char *item)
{
    const char *value = strchr(item, '=') ? "" : getenv(item);
    if (!value)
        return true;
    if (strchr(item, '='))
        return append(text, used, "--env") && append(text, used, item);
    size_t size = strlen(item) + strlen(value) + 2;
    char *whole = malloc(size);
    if (!whole)
        return false;
    snprintf(whole, size, "%s=%s", item, value);
    bool good = append(text, used, "--env") && append(text, used, whole);
    free(whole);
    return good;
}

/* wasm-runner's arguments (runtime/runner/runner.h); the options are valid. */
static bool add_arguments(archive_t *archive, const kp_user_program_t *program, const char *module)
{
    char *text = malloc(ARGUMENT_BYTES_MAX), number[32];
    size_t used = 0;
    uint64_t bytes;
    bool good = text != NULL;
    if (good && program->tier)
        good = append(text, &used, "--tier") && append(text, &used, program->tier);
    if (good && program->compile)
        good = append(text, &used, "--compile") && append(text, &used, program->compile);
    if (good && program->cache)
        good = append(text, &used, "--settle") && append(text, &used, "yes");
    if (good && program->fuel)
        good = append(text, &used, "--fuel") && append(text, &used, program->fuel);
    if (good && program->memory_maximum) {
        good = read_bytes(program->memory_maximum, &bytes);
        snprintf(number, sizeof number, "%llu", (unsigned long long)bytes);
        good = good && append(text, &used, "--max-memory") && append(text, &used, number);
    }
    if (good && program->input)
        good = append(text, &used, "--stdin") && append(text, &used, INPUT_NAME);
    for (size_t i = 0; good && i < program->environment.count; i++)
        good = append_environment(text, &used, program->environment.items[i]);
    good = good && append(text, &used, "--") && append(text, &used, module);
    for (size_t i = 0; good && i < program->argument_count; i++)
        good = append(text, &used, program->arguments[i]);
    if (good) /* NOLINTNEXTLINE: the archive has it then */
        return add(archive, "program/arguments", (uint8_t *)text, used, (uint8_t *)text);
    free(text);
    return false;
}

/* directories/list and, for a guest, what lies in them. */
static bool add_directories(archive_t *archive, kp_user_program_t *program)
{
    size_t writable = program->directories.count, used = 0;
    size_t count = writable + program->directories_read_only.count;
    char *list = malloc(ARGUMENT_BYTES_MAX), name[40], rights[16], from[64];
    bool good = list && count <= DIRECTORIES_MAX;
    if (list && !good)
        kp_kpio_say("more than %d directories", DIRECTORIES_MAX);
    program->wanted = calloc(count + 1, sizeof *program->wanted);
    good = good && program->wanted;
    for (size_t i = 0; good && i < count; i++) {
        kp_directory_option_t *wanted = &program->wanted[i];
        good = kp_directory_parse(i < writable ? program->directories.items[i]
                                               : program->directories_read_only.items[i - writable],
                                  i >= writable, wanted);
        snprintf(rights, sizeof rights, "%u",
                 wanted->read_only ? KP_FILE_RIGHTS_READ_ONLY : KP_FILE_RIGHTS_CHANGE);
        snprintf(name, sizeof name, "directories/%zu", i);
        snprintf(from, sizeof from, "%s%s", program->hosted ? "host:" : "archive:",
                 program->hosted ? name + strlen("directories/") : name);
        if (good && wanted->host[0] && !program->hosted) {
            uint8_t *bytes = NULL;
            size_t size = 0;
            good = kp_directory_pack(wanted->host, FILE_BYTES_MAX, &bytes, &size);
            if (good && size > 0)
                good = add(archive, name, bytes, size, bytes);
            else
                free(bytes);
        }
        good = good && append(list, &used, wanted->guest) && append(list, &used, rights) &&
               append(list, &used, wanted->host[0] ? from : "memory");
    }
    if (good && count > 0) /* NOLINTNEXTLINE: the archive has it then */
        return add(archive, "directories/list", (uint8_t *)list, used, (uint8_t *)list);
    free(list);
    return good;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const part_t *)a)->entry.name, ((const part_t *)b)->entry.name);
}

static uint64_t whole_pages(uint64_t size)
{
    return (size + KP_PAGE_SIZE - 1) / KP_PAGE_SIZE * KP_PAGE_SIZE;
}

static bool write_archive(archive_t *archive, FILE *out)
{
    static const char zeroes[KP_PAGE_SIZE];
    kp_bundle_header_t header = {.magic = KP_BUNDLE_MAGIC, .entry_count = (uint32_t)archive->count};
    uint64_t table = sizeof header + archive->count * sizeof(kp_bundle_entry_t);
    uint64_t at = whole_pages(table);
    qsort(archive->parts, archive->count, sizeof archive->parts[0], compare);
    for (size_t i = 0; i < archive->count; i++) {
        archive->parts[i].entry.offset = at;
        at += whole_pages(archive->parts[i].stored);
    }
    header.total_size = at;
    bool good = fwrite(&header, sizeof header, 1, out) == 1;
    for (size_t i = 0; good && i < archive->count; i++)
        good = fwrite(&archive->parts[i].entry, sizeof(kp_bundle_entry_t), 1, out) == 1;
    good = good && fwrite(zeroes, 1, whole_pages(table) - table, out) == whole_pages(table) - table;
    for (size_t i = 0; good && i < archive->count; i++) {
        uint64_t size = archive->parts[i].stored, rest = whole_pages(size) - size;
        good = fwrite(archive->parts[i].bytes, 1, size, out) == size &&
               fwrite(zeroes, 1, rest, out) == rest;
    }
    return good;
}

/* The module and the files: /program/NAME. */
static bool add_files(archive_t *archive, kp_user_program_t *program)
{
    char name[KP_BUNDLE_NAME_MAX * 2];
    bool good = true;
    snprintf(name, sizeof name, "program/%s", base_name(program->path));
    good = add_arguments(archive, program, name) && add_file(archive, name, program->path);
    if (good && program->input)
        good = strcmp(program->input, "-") == 0 ? add_input(archive)
                                                : add_file(archive, INPUT_NAME, program->input);
    for (size_t i = 0; good && i < program->files.count; i++) {
        const char *item = program->files.items[i], *equals = strchr(item, '=');
        const char *path = equals ? equals + 1 : item;
        const char *shown = equals ? item : base_name(item);
        snprintf(name, sizeof name, "program/%.*s",
                 (int)(equals ? (size_t)(equals - item) : strlen(shown)), shown);
        good = add_file(archive, name, path);
    }
    return good && add_directories(archive, program);
}

int kp_user_program_archive(kp_user_program_t *program, const char *bundle, char *path, size_t size)
{
    if (!options_valid(program))
        return KP_KPIO_USAGE;
    archive_t *archive = calloc(1, sizeof *archive);
    uint8_t *system = NULL;
    size_t system_size = 0;
    int code = KP_KPIO_FAILED, file = -1;
    kp_status_t status =
        archive ? kp_file_read(bundle, (size_t)1 << 30, &system, &system_size) : KP_ERR_NO_MEMORY;
    if (status != KP_OK || !add_system(archive, system, system_size)) {
        kp_kpio_say("%s: %s", bundle,
                    status == KP_OK ? "no boot archive with " KP_BOOT_PROGRAM
                                    : kp_file_reason(status));
        code = KP_KPIO_MISSING;
    } else if (!add_files(archive, program)) {
        code = KP_KPIO_MISSING;
    } else {
        file = kp_file_temporary("program", path, size);
        FILE *out = file >= 0 ? fdopen(file, "wb") : NULL;
        bool good = out && write_archive(archive, out);
        if (out && fclose(out) != 0)
            good = false;
        if (good) {
            code = KP_KPIO_OK;
        } else {
            kp_kpio_say("%s: cannot write: %s", path, strerror(errno));
            if (file >= 0)
                unlink(path);
        }
    }
    for (size_t i = 0; archive && i < archive->count; i++)
        free(archive->parts[i].owned);
    free(archive);
    free(system);
    return code;
}

void kp_user_program_line(const kp_user_program_t *program, char *line, size_t size)
{
    uint64_t bytes;
    /* Memory would keep what is compiled until the program ends, and the system with it. */
    int used = snprintf(line, size, "program=run shell=off display=off http=off cache=off");
    if (!program->hosted)
        used += snprintf(line + used, size - (size_t)used, " program-port=3");
    if (program->hosted && !program->input)
        used += snprintf(line + used, size - (size_t)used, " stdin=console");
    if (program->memory_maximum && read_bytes(program->memory_maximum, &bytes))
        snprintf(line + used, size - (size_t)used, " program-memory=%u",
                 RUNNER_MEBIBYTES + (unsigned)(bytes >> 20 > 1 << 20 ? 1 << 20 : bytes >> 20));
}

/* ---- its end ---- */

int kp_user_program_exit(const char *name, int code)
{
    if (code < KP_PROGRAM_TRAPPED)
        return code;
    if (code == KP_PROGRAM_TRAPPED + KP_TRAP_LIMIT)
        return KP_KPIO_TIMEOUT;
    if (code < KP_PROGRAM_ENDED)
        return KP_KPIO_CRASHED;
    static const char *const reasons[] = {
        [KP_EXIT_FAULT] = "its process faulted",
        [KP_EXIT_KILLED] = "its process was killed",
        [KP_EXIT_NO_START] = "its process could not be started: memory is short",
    };
    int reason = code - KP_PROGRAM_ENDED;
    bool known = reason >= KP_EXIT_FAULT && reason <= KP_EXIT_NO_START;
    kp_kpio_say("%s: %s", name, known ? reasons[reason] : "it ended in an unknown way");
    return KP_KPIO_CRASHED;
}

typedef struct hosted {
    uint32_t timeout;
    bool timed_out;
} hosted_t;

static int join(void *context)
{
    hosted_t *hosted = context;
    kp_time_t deadline =
        hosted->timeout ? kp_machine_now() + hosted->timeout * KP_NS_PER_S : KP_TIME_INFINITE;
    if (kp_kernel_join(deadline) == KP_OK)
        return kp_supervisor_exit_code();
    hosted->timed_out = true;
    return 0;
}

/* cache: a directory for compiled code, or NULL. */
static int run_hosted(const char *archive, const char *given, const char *cache,
                      const kp_user_program_t *program, uint32_t timeout, bool verbose, int *result)
{
    static kp_hosted_directory_t directories[DIRECTORIES_MAX + 1];
    static char line[2048];
    hosted_t context = {.timeout = timeout};
    size_t count = program ? program->directories.count + program->directories_read_only.count : 0;
    for (size_t i = 0; i < count; i++)
        directories[i] =
            (kp_hosted_directory_t){program->wanted[i].host, program->wanted[i].read_only};
    int used = snprintf(line, sizeof line, "%s", given ? given : "");
    if (cache && used >= 0 && (size_t)used < sizeof line) {
        snprintf(line + used, sizeof line - (size_t)used, " cache=host:%zu", count);
        directories[count++] = (kp_hosted_directory_t){cache, false};
    }
    const kp_hosted_options_t options = {
        .console_input = program && !program->input,
        .directories = directories,
        .directory_count = count,
        .bundle_path = archive,
        .command_line = line,
        .net = KP_HOSTED_NET_OFF,
        .display = KP_HOSTED_DISPLAY_NONE,
        .log_level = verbose ? KP_LOG_DEBUG : -1,
    };
    kp_status_t status = kp_hosted_run(&options, join, &context, result);
    if (status != KP_OK) {
        kp_kpio_say("the system does not start: %s", kp_status_text(status));
        return KP_KPIO_MISSING;
    }
    if (context.timed_out) {
        kp_kpio_say("time limit: the system did not end in %u s", timeout);
        return KP_KPIO_TIMEOUT;
    }
    return KP_KPIO_OK;
}

int kp_user_system_hosted(const char *archive, const char *line, const char *cache,
                          uint32_t timeout, bool verbose, int *result)
{
    return run_hosted(archive, line, cache, NULL, timeout, verbose, result);
}

int kp_user_program_hosted(const kp_user_program_t *program, const char *archive, const char *added,
                           uint32_t timeout, bool verbose)
{
    char own[256], line[1024];
    int result = 0;
    kp_user_program_line(program, own, sizeof own);
    snprintf(line, sizeof line, "%s %s", own, added ? added : "");
    int code = run_hosted(archive, line, program->cache, program, timeout, verbose, &result);
    return code == KP_KPIO_OK ? kp_user_program_exit(program->path, result) : code;
}
