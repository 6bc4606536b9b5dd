/* three-engines: generated modules in interpreter, compiler (its two kinds of memory take turns) and wasm2c,
   some hundred a second.

     three-engines --tool DIR [--features N] [--jobs N] [--batch N] [--progress FILE] [--json FILE] FIRST COUNT

   DIR is what `deps/build wasm2c tool` prints. Each batch runs in a process of its own; one that dies is run again module
   by module. What tcc cannot compile, dies of, or gets another result of, goes the trusted way: the script wasm2c, with
   clang. A difference that is left there is one ("differ"); else it is a defect of tcc and listed ("tcc differs", "tcc
   cannot"). With --progress an interrupted run goes on where it was. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/test/differential/generator.h"
#include "runtime/test/differential/three_batch.h"

#define MOST_JOBS 16

/* What a module was found to be by the trusted way. */
typedef enum verdict {
    SAME,
    DIFFERENT,
    NOT_TRANSLATED, /* wasm2c refuses it, or makes what is no C */
} verdict_t;

typedef struct total {
    uint64_t next; /* all below are done */
    uint64_t seconds, cpu_milliseconds;
    uint64_t refused;
    uint64_t by_clang; /* compared the trusted way because tcc cannot */
    kp_differential_counts_t counts;
    kp_census_t census;
    kp_three_list_t differ, tcc_differs, tcc_cannot;
} total_t;

typedef struct job {
    pid_t process; /* 0: free */
    uint64_t first, count;
    kp_three_result_t *result; /* shared with the process */
} job_t;

/* A batch that is done while an earlier one is not. */
typedef struct done {
    struct done *next;
    uint64_t first, count;
    kp_three_result_t result;
} done_t;

typedef struct run {
    kp_wasm2c_server_t server;
    char *head;
    kp_wasm_features_t features;
    uint64_t first, count, batch;
    unsigned jobs;
    const char *progress, *json;
    char directory[64];
    job_t job[MOST_JOBS];
    done_t *done;
    total_t total, before; /* before: of earlier runs that this one goes on with */
    struct timespec begin;
} run_t;

/* ---- progress and result ---- */

static void merge_list(kp_three_list_t *to, const kp_three_list_t *from)
{
    for (uint64_t i = 0; i < from->count; i++)
        kp_three_list_add(to, i < KP_THREE_LIST ? from->numbers[i] : UINT64_MAX);
}

static void add_trap(kp_differential_counts_t *to, const char *text, uint64_t count)
{
    unsigned i = 0;
    while (i < KP_DIFFERENTIAL_TRAPS - 1 && to->traps[i].count &&
           strcmp(to->traps[i].text, text) != 0)
        i++;
    if (!to->traps[i].count)
        snprintf(to->traps[i].text, sizeof to->traps[i].text, "%s", text);
    to->traps[i].count += count;
}

static void merge_counts(kp_differential_counts_t *to, const kp_differential_counts_t *from)
{
    to->modules += from->modules;
    to->calls += from->calls;
    to->returned += from->returned;
    to->exceptions += from->exceptions;
    for (unsigned i = 0; i < KP_DIFFERENTIAL_TRAPS; i++)
        if (from->traps[i].count)
            add_trap(to, from->traps[i].text, from->traps[i].count);
}

static void merge_census(kp_census_t *to, const kp_census_t *from)
{
    to->bytes += from->bytes;
    to->functions += from->functions;
    for (unsigned i = 0; i < KP_CENSUS_FEATURES; i++)
        to->modules[i] += from->modules[i];
    for (unsigned i = 0; i < KP_WASM_OPCODE_COUNT; i++)
        to->opcodes[i] += from->opcodes[i];
}

static void measure(run_t *run)
{
    struct timespec now;
    struct rusage own, children;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    const struct timeval *times[] = {&own.ru_utime, &own.ru_stime, &children.ru_utime,
                                     &children.ru_stime};
    run->total.cpu_milliseconds = run->before.cpu_milliseconds;
    for (unsigned i = 0; i < 4; i++)
        run->total.cpu_milliseconds +=
            (uint64_t)times[i]->tv_sec * 1000 + (uint64_t)times[i]->tv_usec / 1000;
    run->total.seconds = run->before.seconds + (uint64_t)(now.tv_sec - run->begin.tv_sec);
}

/* The numbers of a run by name, for the progress file. */
#define NUMBERS(X)                          \
    X("next", next)                         \
    X("seconds", seconds)                   \
    X("cpu-milliseconds", cpu_milliseconds) \
    X("refused", refused)                   \
    X("by-clang", by_clang)                 \
    X("modules", counts.modules)            \
    X("calls", counts.calls)                \
    X("returned", counts.returned)          \
    X("exceptions", counts.exceptions)      \
    X("bytes", census.bytes)                \
    X("functions", census.functions)

#define LISTS(X)                  \
    X("differ", differ)           \
    X("tcc-differs", tcc_differs) \
    X("tcc-cannot", tcc_cannot)

static bool write_progress(const run_t *run)
{
    char path[4096];
    const total_t *total = &run->total;
    snprintf(path, sizeof path, "%s.new", run->progress);
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    fprintf(file, "of %" PRIu64 " %" PRIu64 " %" PRIu32 "\n", run->first, run->count,
            run->features);
#define X(name, member) fprintf(file, name " %" PRIu64 "\n", total->member);
    NUMBERS(X)
#undef X
#define X(name, member)                                \
    for (uint64_t i = 0; i < total->member.count; i++) \
        fprintf(file, name " %" PRIu64 "\n",           \
                i < KP_THREE_LIST ? total->member.numbers[i] : UINT64_MAX);
    LISTS(X)
#undef X
    for (unsigned i = 0; i < KP_CENSUS_FEATURES; i++)
        fprintf(file, "feature %u %" PRIu64 "\n", i, total->census.modules[i]);
    for (unsigned i = 0; i < KP_WASM_OPCODE_COUNT; i++)
        if (total->census.opcodes[i])
            fprintf(file, "opcode %u %" PRIu64 "\n", i, total->census.opcodes[i]);
    for (unsigned i = 0; i < KP_DIFFERENTIAL_TRAPS; i++)
        if (total->counts.traps[i].count)
            fprintf(file, "trap %" PRIu64 " %s\n", total->counts.traps[i].count,
                    total->counts.traps[i].text);
    return fclose(file) == 0 && rename(path, run->progress) == 0;
}

static void read_line(total_t *total, const char *line)
{
    uint64_t value;
    unsigned index;
    int at = 0;
#define X(name, member)                              \
    if (sscanf(line, name " %" SCNu64, &value) == 1) \
        total->member = value;
    NUMBERS(X)
#undef X
#define X(name, member)                              \
    if (sscanf(line, name " %" SCNu64, &value) == 1) \
        kp_three_list_add(&total->member, value);
    LISTS(X)
#undef X
    if (sscanf(line, "feature %u %" SCNu64, &index, &value) == 2 && index < KP_CENSUS_FEATURES)
        total->census.modules[index] = value;
    if (sscanf(line, "opcode %u %" SCNu64, &index, &value) == 2 && index < KP_WASM_OPCODE_COUNT)
        total->census.opcodes[index] = value;
    if (sscanf(line, "trap %" SCNu64 " %n", &value, &at) == 1 && at)
        add_trap(&total->counts, line + at, value);
}

/* False: it is of another run. */
static bool read_progress(run_t *run)
{
    char line[256];
    uint64_t first, count;
    uint32_t features;
    FILE *file = fopen(run->progress, "r");
    if (!file)
        return true;
    bool good =
        fgets(line, sizeof line, file) &&
        sscanf(line, "of %" SCNu64 " %" SCNu64 " %" SCNu32, &first, &count, &features) == 3 &&
        first == run->first && count == run->count && features == run->features;
    while (good && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        read_line(&run->total, line);
    }
    fclose(file);
    run->before = run->total;
    return good;
}

static void write_list(FILE *file, const char *name, const kp_three_list_t *list)
{
    fprintf(file, "  \"%s\": [", name);
    for (uint64_t i = 0; i < list->count && i < KP_THREE_LIST; i++)
        fprintf(file, "%s%" PRIu64, i ? ", " : "", list->numbers[i]);
    fprintf(file, "],\n");
}

static bool write_json(const run_t *run)
{
    const total_t *total = &run->total;
    FILE *file = fopen(run->json, "w");
    if (!file)
        return false;
    fprintf(file,
            "{\n  \"engines\": [\"interpreter\", \"compiler (guarded memories for even numbers, "
            "checked for odd ones)\", \"wasm2c\"],\n"
            "  \"first\": %" PRIu64 ",\n  \"generated\": %" PRIu64
            ",\n  \"features allowed\": %" PRIu32 ",\n  \"modules compared\": %" PRIu64 ",\n",
            run->first, total->next - run->first, run->features,
            total->counts.modules + total->by_clang);
#define X(name, member) fprintf(file, "  \"" name "\": %" PRIu64 ",\n", total->member);
    NUMBERS(X)
#undef X
    write_list(file, "differ", &total->differ);
    write_list(file, "tcc differs, clang does not", &total->tcc_differs);
    write_list(file, "tcc cannot, clang can", &total->tcc_cannot);
    fprintf(file, "  \"traps\": {");
    for (unsigned i = 0; i < KP_DIFFERENTIAL_TRAPS && total->counts.traps[i].count; i++)
        fprintf(file, "%s\n    \"%s\": %" PRIu64, i ? "," : "", total->counts.traps[i].text,
                total->counts.traps[i].count);
    fprintf(file, "\n  },\n  \"modules by feature\": {");
    for (unsigned i = 0; i < KP_CENSUS_FEATURES && kp_census_feature_name(i); i++)
        fprintf(file, "%s\n    \"%s\": %" PRIu64, i ? "," : "", kp_census_feature_name(i),
                total->census.modules[i]);
    fprintf(file, "\n  },\n  \"instructions\": {");
    const char *between = "";
    for (unsigned i = 0; i < KP_WASM_OPCODE_COUNT; i++) {
        if (!total->census.opcodes[i])
            continue;
        fprintf(file, "%s\n    \"%s%s\": %" PRIu64, between,
                kp_wasm_opcode_name((kp_wasm_opcode_t)i), i == KP_WASM_OP_SELECT_TYPED ? " t" : "",
                total->census.opcodes[i]);
        between = ",";
    }
    fprintf(file, "\n  }\n}\n");
    return fclose(file) == 0;
}

/* ---- batches ---- */

static void launch(run_t *run, job_t *job, uint64_t first, uint64_t count)
{
    memset(job->result, 0, sizeof *job->result);
    job->first = first;
    job->count = count;
    fflush(stdout);
    job->process = fork();
    if (job->process < 0) {
        perror("three-engines: fork");
        exit(2);
    }
    if (job->process > 0)
        return;
    char directory[128];
    const struct rlimit limit = {120, 120};
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CPU, &limit);
    setrlimit(RLIMIT_CORE, &no_core);
    snprintf(directory, sizeof directory, "%s/%u", run->directory, (unsigned)(job - run->job));
    run->server.directory = directory;
    kp_three_batch(&run->server, run->head, run->features, first, count, job->result);
    fflush(stdout);
    _exit(0);
}

/* With clang; all that wasm2c makes of the module is compiled anew. */
static verdict_t ask_clang(const run_t *run, uint64_t number)
{
    char command[256], line[4096];
    unsigned compared = 0;
    bool told = false;
    snprintf(command, sizeof command,
             "runtime/test/differential/wasm2c --jobs 1 --features %" PRIu32 " %" PRIu64 " 1 2>&1",
             run->features, number);
    fflush(stdout);
    FILE *pipe = popen(command, "r");
    while (pipe && fgets(line, sizeof line, pipe)) {
        const char *at = strstr(line, "interpreter, compiler, wasm2c: ");
        if (at)
            told = sscanf(at, "interpreter, compiler, wasm2c: %u modules", &compared) == 1;
        printf("#   clang: %s", line);
    }
    int status = pipe ? pclose(pipe) : -1;
    if (!told || status != 0)
        return DIFFERENT;
    return compared == 1 ? SAME : NOT_TRANSLATED;
}

static void judge(run_t *run, uint64_t number, bool compared)
{
    total_t *total = &run->total;
    switch (ask_clang(run, number)) {
    case SAME:
        kp_three_list_add(compared ? &total->tcc_differs : &total->tcc_cannot, number);
        total->by_clang += !compared;
        break;
    case NOT_TRANSLATED:
        if (!compared) {
            total->refused++;
            break;
        }
        /* fall through */
    case DIFFERENT:
        total->counts.modules += !compared;
        kp_three_list_add(&total->differ, number);
        printf("not ok module %" PRIu64 " differs\n", number);
        break;
    }
}

static void wait_for(job_t *job)
{
    while (waitpid(job->process, NULL, 0) < 0)
        ;
    job->process = 0;
}

/* The process died: each module by itself. */
static void split(run_t *run, job_t *job, uint64_t first, uint64_t count, kp_three_result_t *all)
{
    memset(all, 0, sizeof *all);
    for (uint64_t number = first; number < first + count; number++) {
        launch(run, job, number, 1);
        wait_for(job);
        const kp_three_result_t *one = job->result;
        if (!one->finished) {
            printf("# module %" PRIu64 ": the process died\n", number);
            kp_three_list_add(&all->uncompilable, number);
            continue;
        }
        all->refused += one->refused;
        merge_counts(&all->counts, &one->counts);
        merge_census(&all->census, &one->census);
        merge_list(&all->differ, &one->differ);
        merge_list(&all->uncompilable, &one->uncompilable);
    }
}

static void account(run_t *run, const done_t *done)
{
    const kp_three_result_t *result = &done->result;
    run->total.refused += result->refused;
    merge_counts(&run->total.counts, &result->counts);
    merge_census(&run->total.census, &result->census);
    for (uint64_t i = 0; i < result->differ.count; i++)
        judge(run, i < KP_THREE_LIST ? result->differ.numbers[i] : done->first, true);
    for (uint64_t i = 0; i < result->uncompilable.count; i++)
        judge(run, i < KP_THREE_LIST ? result->uncompilable.numbers[i] : done->first, false);
    run->total.next = done->first + done->count;
    measure(run);
    if (run->progress && !write_progress(run)) {
        perror(run->progress);
        exit(2);
    }
}

static void finish(run_t *run, job_t *job)
{
    done_t *done = malloc(sizeof *done);
    if (!done) {
        fprintf(stderr, "three-engines: out of memory\n");
        exit(2);
    }
    job->process = 0;
    done->first = job->first;
    done->count = job->count;
    if (job->result->finished)
        done->result = *job->result;
    else
        split(run, job, done->first, done->count, &done->result);
    done->next = run->done;
    run->done = done;
    for (done_t **at = &run->done; *at;) {
        done_t *next = *at;
        if (next->first != run->total.next) {
            at = &next->next;
            continue;
        }
        *at = next->next;
        account(run, next);
        free(next);
        at = &run->done;
    }
}

static void run_all(run_t *run)
{
    uint64_t at = run->total.next, end = run->first + run->count;
    unsigned running = 0;
    while (at < end || running > 0) {
        for (unsigned i = 0; i < run->jobs && at < end; i++) {
            if (run->job[i].process)
                continue;
            uint64_t count = end - at < run->batch ? end - at : run->batch;
            launch(run, &run->job[i], at, count);
            at += count;
            running++;
        }
        pid_t process = waitpid(-1, NULL, 0);
        for (unsigned i = 0; process > 0 && i < run->jobs; i++) {
            if (run->job[i].process == process) {
                finish(run, &run->job[i]);
                running--;
            }
        }
    }
}

/* ---- the program ---- */

static bool prepare(run_t *run)
{
    char path[128], include[4096];
    const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(run->directory, sizeof run->directory, "%s/three-engines-XXXXXX", place);
    if (!mkdtemp(run->directory))
        return false;
    for (unsigned i = 0; i < run->jobs; i++) {
        snprintf(path, sizeof path, "%s/%u", run->directory, i);
        run->job[i].result = mmap(NULL, sizeof *run->job[i].result, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (run->job[i].result == MAP_FAILED || access(path, F_OK) == 0 || mkdir(path, 0700) != 0)
            return false;
    }
    snprintf(path, sizeof path, "%s/0", run->directory);
    snprintf(include, sizeof include, "%s/include", run->server.tool);
    run->server.directory = path;
    run->head = kp_three_head(&run->server, run->features, include);
    kp_wasm2c_server_stop(&run->server);
    return run->head != NULL;
}

static void clean(run_t *run)
{
    static const char *const files[] = {"/module.wasm", "/module.c", "/module.h", ""};
    char path[160];
    for (unsigned i = 0; i < run->jobs; i++) {
        for (unsigned file = 0; file < 4; file++) {
            snprintf(path, sizeof path, "%s/%u%s", run->directory, i, files[file]);
            remove(path);
        }
    }
    remove(run->directory);
    free(run->head);
}

static int usage(void)
{
    fprintf(stderr, "usage: three-engines --tool DIRECTORY [--features N] [--jobs N] [--batch N] "
                    "[--progress FILE] [--json FILE] FIRST COUNT\n");
    return 2;
}

static int report(const run_t *run)
{
    const total_t *total = &run->total;
    printf("%s interpreter, compiler, wasm2c: %" PRIu64 " of %" PRIu64
           " generated modules from number %" PRIu64 ": %" PRIu64 " calls, %" PRIu64
           " returned, %" PRIu64 " modules differ; tcc differs on %" PRIu64 ", cannot do %" PRIu64
           " (clang's are compared instead); wasm2c refuses %" PRIu64 "\n",
           total->differ.count ? "not ok" : "ok", total->counts.modules + total->by_clang,
           run->count, run->first, total->counts.calls, total->counts.returned, total->differ.count,
           total->tcc_differs.count, total->tcc_cannot.count, total->refused);
    printf("# %" PRIu64 " s, %" PRIu64 " s of a processor\n", total->seconds,
           total->cpu_milliseconds / 1000);
    if (run->json && !write_json(run)) {
        perror(run->json);
        return 2;
    }
    return total->differ.count != 0;
}

int main(int argc, char **argv)
{
    static run_t run = {
        /* What tcc and wasm2c can: README.md. */
        .features = (KP_WASM_FEATURES_ALL & ~(KP_WASM_FEATURE_SIMD | KP_WASM_FEATURE_TAIL_CALL)) |
                    KP_GENERATOR_SMALL | KP_GENERATOR_WASM2C_ATOMICS,
        .server.preload = "build/tools/wasm2c-server.so",
        .jobs = 1,
        .batch = 250,
    };
    uint64_t numbers[2];
    unsigned given = 0;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = name[0] == '-' ? argv[++i] : name;
        if (!value)
            return usage();
        if (strcmp(name, "--tool") == 0)
            run.server.tool = value;
        else if (strcmp(name, "--features") == 0)
            run.features = (kp_wasm_features_t)strtoul(value, NULL, 0);
        else if (strcmp(name, "--jobs") == 0)
            run.jobs = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--batch") == 0)
            run.batch = strtoull(value, NULL, 10);
        else if (strcmp(name, "--progress") == 0)
            run.progress = value;
        else if (strcmp(name, "--json") == 0)
            run.json = value;
        else if (name[0] != '-' && given < 2)
            numbers[given++] = strtoull(name, NULL, 10);
        else
            return usage();
    }
    if (given != 2 || !run.server.tool || run.jobs < 1 || run.jobs > MOST_JOBS || run.batch < 1)
        return usage();
    run.total.next = run.first = numbers[0];
    run.count = numbers[1];
    clock_gettime(CLOCK_MONOTONIC, &run.begin);
    if (run.progress && !read_progress(&run)) {
        fprintf(stderr, "three-engines: %s is of another run\n", run.progress);
        return 2;
    }
    int status = 2;
    if (prepare(&run)) {
        run_all(&run);
        status = report(&run);
    }
    clean(&run);
    return status;
}
