/* kpio wasm run|validate|compile: WebAssembly programs and modules by themselves. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/embed/wasi_link.h"
#include "runtime/interpret/interpret.h"
#include "runtime/wasi/linux.h"
#include "tools/kpio/file.h"
#include "tools/kpio/kpio.h"
#include "tools/kpio/wasm_code.h"
#include "tools/kpio/wasm_value.h"
#include "runtime/wasm/heap.h"

enum { LIST_MAXIMUM = 256 };

#ifndef PR_SET_MDWE /* Linux 6.3 */
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static const char help[] =
    "usage: kpio wasm run [OPTION]... FILE [ARGUMENT]...\n"
    "       kpio wasm validate [-v] FILE...\n"
    "       kpio wasm compile [OPTION]... FILE [-o OUTPUT]\n"
    "\n"
    "run: a WASI preview 1 program, or one function of a module. It reaches standard streams, "
    "clocks,\n"
    "entropy and the directories it is given, nothing else.\n"
    "  --dir HOST[::GUEST]     gives a directory, as GUEST (default: the same name)\n"
    "  --dir-ro HOST[::GUEST]  the same, to read only\n"
    "  --env NAME[=VALUE]      an environment variable (without a value: this process's)\n"
    "  --invoke NAME           calls this export with the arguments and prints its results\n"
    "  --fuel N                ends after N function calls and loop turns\n"
    "  --max-memory SIZE       most bytes of linear memory; K, M, G (default 4G)\n"
    "  --tier interpret|compile\n"
    "                          default: compile\n"
    "  -v                      a trap shows where; says where the code came from\n"
    "\n"
    "validate: says where a module is wrong, and with -v of a good one what is in it.\n"
    "\n"
    "run and compile keep compiled code in a cache: $KPIO_CACHE/wasm, else "
    "$XDG_CACHE_HOME/kpio/wasm, "
    "else\n"
    "~/.cache/kpio/wasm. compile writes it there, or with -o to a file.\n"
    "  --cache DIR             another cache\n"
    "  --no-cache              none\n"
    "  --compiler process|in-process\n"
    "                          where the compiler works: in a sandbox (default), or here\n"
    "  --compile eager|lazy    all at once (default), or functions at their first call (run "
    "only)\n"
    "  --jobs N                threads that compile, 1 to 64 (default: one for each processor)\n"
    "\n"
    "Exit codes of run: the program's own; 1 the module is bad or does not fit; 2 wrong usage; 3 "
    "no\n"
    "such file; 4 the fuel is used up; 5 a trap or an uncaught exception.\n";

typedef struct kp_wasm_run {
    const char *path;
    const char *invoke;
    const char *directories[LIST_MAXIMUM]; /* as given */
    bool read_only[LIST_MAXIMUM];
    const char *environment[LIST_MAXIMUM];
    size_t directory_count, environment_count;
    int64_t fuel;
    uint64_t memory_maximum;
    bool interpret, metered, verbose;
    kp_wasm_code_choice_t choice;
    char **arguments; /* of the program; [0] is the file */
    size_t argument_count;

    uint8_t *bytes;
    size_t size;
    kp_wasm_module_t *module;
    kp_code_cache_t *cache;
    kp_code_source_t code;
    kp_wasm_interpreted_t *interpreted;
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
    kp_wasi_t *wasi;
} kp_wasm_run_t;
/* ---- modules ---- */

#define LARGE_PAGE ((size_t)2 << 20)

/* A buffer to be filled at once, for free(): in large pages from half of one on (one fault instead of hundreds), its
   pages taken all together; where the kernel refuses either, they come one by one. */
static uint8_t *buffer_new(size_t size)
{
    bool large = size >= LARGE_PAGE / 2 && size <= SIZE_MAX - LARGE_PAGE;
    size_t rounded = large ? (size + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1) : size > 0 ? size : 1;
    uint8_t *bytes = large ? aligned_alloc(LARGE_PAGE, rounded) : malloc(rounded);
    uintptr_t first = ((uintptr_t)bytes + 4095) & ~(uintptr_t)4095;
    if (bytes && large)
        (void)madvise(bytes, rounded, MADV_HUGEPAGE);
    if (bytes && size >= 65536)
        (void)madvise((void *)first, ((uintptr_t)bytes + size - first) & ~(uintptr_t)4095,
                      MADV_POPULATE_WRITE);
    return bytes;
}

static int read_file(const char *path, uint8_t **bytes, size_t *size)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe: no waiting */
    if (fd < 0 || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        kp_kpio_say("%s: %s", path, fd < 0 ? strerror(errno) : "not a file");
        if (fd >= 0)
            close(fd);
        return KP_KPIO_MISSING;
    }
    /* Read, not mapped: the bytes must not change while the module lives. */
    *size = (size_t)stat.st_size;
    *bytes = buffer_new(*size);
    size_t at = 0;
    while (*bytes && at < *size) {
        ssize_t count = read(fd, *bytes + at, *size - at);
        if (count <= 0)
            break;
        at += (size_t)count;
    }
    close(fd);
    if (*bytes && at == *size)
        return KP_KPIO_OK;
    kp_kpio_say("%s: %s", path, *bytes ? "cannot be read" : "not enough memory");
    free(*bytes);
    *bytes = NULL;
    return KP_KPIO_MISSING;
}

static int say_error(const char *path, kp_status_t status, const kp_wasm_error_t *error)
{
    char text[512];
    if (error->kind == KP_WASM_ERROR_NONE || kp_wasm_error_print(error, text, sizeof text) == 0)
        snprintf(text, sizeof text, "%s", kp_status_text(status));
    kp_kpio_say("%s: %s", path, text);
    return KP_KPIO_FAILED;
}

static int decode(const char *path, uint8_t **bytes, size_t *size, kp_wasm_module_t **module)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_error_t error = {0};
    int result = read_file(path, bytes, size);
    if (result != KP_KPIO_OK)
        return result;
    kp_status_t status = kp_wasm_module_decode(*bytes, *size, &options, module, &error);
    return status == KP_OK ? KP_KPIO_OK : say_error(path, status, &error);
}

static void describe(const char *path, const kp_wasm_module_t *module)
{
    printf("%s: valid: %u bytes, %u functions, %u imports, %u exports, %u memories, %u tables\n",
           path, module->size, module->function_count, module->import_count, module->export_count,
           module->memory_count, module->table_count);
}

static int validate(int count, char **arguments)
{
    int first = 0;
    bool verbose = false;
    for (; first < count && arguments[first][0] == '-' && arguments[first][1]; first++) {
        if (strcmp(arguments[first], "--") == 0) {
            first++;
            break;
        }
        if (strcmp(arguments[first], "-v") != 0) {
            kp_kpio_say("wasm validate: wrong option %s; see kpio wasm --help", arguments[first]);
            return KP_KPIO_USAGE;
        }
        verbose = true;
    }
    int result = first < count ? KP_KPIO_OK : KP_KPIO_USAGE;
    if (first == count)
        kp_kpio_say("wasm validate takes files; see kpio wasm --help");
    for (int i = first; i < count; i++) {
        uint8_t *bytes = NULL;
        size_t size;
        kp_wasm_module_t *module = NULL;
        kp_wasm_error_t error = {0};
        int one = decode(arguments[i], &bytes, &size, &module);
        if (one == KP_KPIO_OK) {
            kp_status_t status = kp_wasm_module_validate(module, &error);
            if (status != KP_OK)
                one = say_error(arguments[i], status, &error);
            else if (verbose)
                describe(arguments[i], module);
        }
        result = result ? result : one;
        kp_wasm_module_destroy(module);
        free(bytes);
    }
    return result;
}

/* "--name=value" or "--name": fills name; the value, or NULL. */
static const char *option_split(const char *argument, char *name, size_t size)
{
    const char *equals = argument[0] == '-' ? strchr(argument, '=') : NULL;
    size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
    snprintf(name, size, "%.*s", (int)(length < size - 1 ? length : size - 1), argument);
    return equals ? equals + 1 : NULL;
}

static int wrong_compile(const char *why, const char *word)
{
    kp_kpio_say("wasm compile: %s%s%s; see kpio wasm --help", why, word[0] ? " " : "", word);
    return KP_KPIO_USAGE;
}

static int compile(int count, char **arguments)
{
    const char *path = NULL, *output = NULL;
    kp_wasm_code_choice_t choice = {0};
    for (int i = 0; i < count; i++) {
        const char *next = i + 1 < count ? arguments[i + 1] : "";
        char name[32];
        const char *value = option_split(arguments[i], name, sizeof name);
        if (strcmp(arguments[i], "--no-cache") == 0)
            choice.no_cache = true;
        else if (strcmp(name, "-o") == 0 && i + 1 < count)
            output = arguments[++i];
        else if (name[0] == '-' && kp_wasm_code_option(&choice, name, value ? value : next))
            i += !value;
        else if (!path && name[0] != '-')
            path = arguments[i];
        else
            return wrong_compile(name[0] == '-' ? "wrong option" : "one file, not also",
                                 arguments[i]);
    }
    if (!path)
        return wrong_compile("a file is missing", "");
    if (!output && choice.no_cache)
        return wrong_compile("--no-cache needs -o OUTPUT", "");
    if (choice.lazy)
        return wrong_compile("it compiles all of a module: --compile lazy is for run", "");
    /* As `run` asks for it. With an output the cache stays as it is. */
    choice.no_cache |= output != NULL;
    choice.cache_needed = true;
    uint8_t *bytes = NULL;
    size_t size, artefact_size;
    const void *artefact;
    kp_wasm_module_t *module = NULL;
    kp_compile_failure_t failure;
    kp_code_source_t source = {0};
    kp_code_options_t options =
        kp_wasm_code_options(&choice, kp_wasm_heap, KP_WASM_COMPILE_GUARDED);
    int result = decode(path, &bytes, &size, &module);
    if (result == KP_KPIO_OK && !output && !options.cache)
        result = KP_KPIO_MISSING; /* was said */
    if (result == KP_KPIO_OK) {
        kp_status_t status =
            kp_code_compile(&options, module, &source, &artefact, &artefact_size, &failure);
        if (status != KP_OK)
            result = kp_wasm_code_failed(&options, path, status, &failure);
    }
    if (result == KP_KPIO_OK && output && kp_file_write(output, artefact, artefact_size) != KP_OK) {
        kp_kpio_say("%s: cannot write: %s", output, strerror(errno));
        result = KP_KPIO_FAILED;
    }
    if (result == KP_KPIO_OK && source.stored != KP_OK) {
        kp_wasm_code_not_kept(path, source.stored);
        result = KP_KPIO_FAILED;
    }
    kp_code_discard(&source);
    kp_code_cache_close(options.cache);
    kp_wasm_module_destroy(module);
    free(bytes);
    return result;
}

/* ---- run: options ---- */

static bool number(const char *text, bool sizes, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long result = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (sizes && *end)
        shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0, end += shift != 0;
    *value = result << shift;
    return text[0] >= '0' && text[0] <= '9' && !errno && !*end && result <= most >> shift;
}

static bool add(const char **list, size_t *count, const char *value)
{
    if (*count == LIST_MAXIMUM)
        return false;
    list[(*count)++] = value;
    return true;
}

/* Takes one option with its value; false: wrong. */
static bool option(kp_wasm_run_t *run, const char *name, const char *value)
{
    uint64_t wide;
    if (strcmp(name, "--dir") == 0 || strcmp(name, "--dir-ro") == 0) {
        run->read_only[run->directory_count % LIST_MAXIMUM] = name[5] != '\0';
        return add(run->directories, &run->directory_count, value);
    }
    if (strcmp(name, "--env") == 0) {
        if (!strchr(value, '=')) {
            const char *own = getenv(value);
            /* "NAME=" stands right before its value in this process's environment. */
            return !own || add(run->environment, &run->environment_count, own - strlen(value) - 1);
        }
        return add(run->environment, &run->environment_count, value);
    }
    if (strcmp(name, "--invoke") == 0) {
        run->invoke = value;
        return true;
    }
    if (strcmp(name, "--fuel") == 0 && number(value, false, INT64_MAX, &wide)) {
        run->fuel = (int64_t)wide;
        run->metered = true;
        return true;
    }
    if (strcmp(name, "--max-memory") == 0)
        return number(value, true, UINT64_MAX, &run->memory_maximum);
    if (strcmp(name, "--tier") == 0) {
        run->interpret = strcmp(value, "interpret") == 0;
        return run->interpret || strcmp(value, "compile") == 0;
    }
    return kp_wasm_code_option(&run->choice, name, value);
}

static int parse(kp_wasm_run_t *run, int count, char **arguments)
{
    int i = 0;
    for (; i < count && arguments[i][0] == '-' && arguments[i][1]; i++) {
        char name[32];
        if (strcmp(arguments[i], "-v") == 0) {
            run->verbose = true;
            continue;
        }
        if (strcmp(arguments[i], "--no-cache") == 0) {
            run->choice.no_cache = true;
            continue;
        }
        if (strcmp(arguments[i], "--") == 0) {
            i++;
            break;
        }
        const char *value = option_split(arguments[i], name, sizeof name);
        if (!value)
            value = i + 1 < count ? arguments[++i] : "";
        if (!option(run, name, value)) {
            kp_kpio_say("wasm run: wrong option %s \"%s\"; see kpio wasm --help", name, value);
            return KP_KPIO_USAGE;
        }
    }
    if (i == count) {
        kp_kpio_say("wasm run takes a file; see kpio wasm --help");
        return KP_KPIO_USAGE;
    }
    run->path = arguments[i];
    run->arguments = arguments + i;
    run->argument_count = (size_t)(count - i);
    return KP_KPIO_OK;
}

/* ---- run: the program ---- */

static kp_status_t give_directory(kp_wasm_run_t *run, const char *text, bool read_only)
{
    char host[KP_KPIO_PATH_MAX];
    const char *separator = strstr(text, "::");
    size_t length = separator ? (size_t)(separator - text) : strlen(text);
    if (length >= sizeof host)
        return KP_ERR_TOO_LARGE;
    memcpy(host, text, length);
    host[length] = '\0';
    return kp_wasi_linux_directory(run->wasi, host, separator ? separator + 2 : host, read_only);
}

static int make_wasi(kp_wasm_run_t *run)
{
    const kp_wasi_options_t options = {
        .arguments = (const char *const *)run->arguments,
        .argument_count = run->argument_count,
        .environment = run->environment,
        .environment_count = run->environment_count,
        .host = &kp_wasi_linux_host,
    };
    kp_status_t status = kp_wasi_create(&options, &run->wasi);
    if (status == KP_OK)
        status = kp_wasi_linux_streams(run->wasi);
    if (status != KP_OK) {
        kp_kpio_say("%s: %s", run->path, kp_status_text(status));
        return KP_KPIO_FAILED;
    }
    for (size_t i = 0; i < run->directory_count; i++) {
        status = give_directory(run, run->directories[i], run->read_only[i]);
        if (status != KP_OK) {
            kp_kpio_say("--dir %s: %s", run->directories[i],
                        status == KP_ERR_NOT_FOUND       ? "no such directory"
                        : status == KP_ERR_NOT_SUPPORTED ? "not a directory that Linux can confine"
                                                         : kp_status_text(status));
            return KP_KPIO_MISSING;
        }
    }
    return KP_KPIO_OK;
}

static int make_code(kp_wasm_run_t *run)
{
    if (run->interpret) {
        kp_wasm_error_t error = {0};
        kp_status_t status = kp_wasm_module_validate(run->module, &error);
        if (status == KP_OK)
            status = kp_wasm_interpreted_create(run->module, kp_wasm_heap, &run->interpreted);
        return status == KP_OK ? KP_KPIO_OK : say_error(run->path, status, &error);
    }
    kp_compile_failure_t failure;
    kp_code_options_t options =
        kp_wasm_code_options(&run->choice, kp_wasm_heap,
                             KP_WASM_COMPILE_GUARDED | (run->metered ? KP_WASM_COMPILE_FUEL : 0));
    run->cache = options.cache;
    kp_status_t status = kp_code_obtain(&options, run->module, &run->code, &failure);
    if (status != KP_OK)
        return kp_wasm_code_failed(&options, run->path, status, &failure);
    if (run->code.stored != KP_OK)
        kp_wasm_code_not_kept(run->path, run->code.stored);
    if (run->verbose)
        kp_kpio_say("%s: %s", run->path,
                    run->code.is_cached ? "code from the cache"
                    : options.lazy      ? "compiling at first calls"
                                        : "compiled");
    return KP_KPIO_OK;
}

static int resolve(kp_wasm_run_t *run, kp_wasm_extern_t *imports)
{
    const kp_wasm_module_t *module = run->module;
    for (uint32_t i = 0; i < module->import_count; i++) {
        const kp_wasm_import_t *import = &module->imports[i];
        const char *from = (const char *)kp_wasm_module_at(module, import->module);
        const char *name = (const char *)kp_wasm_module_at(module, import->name);
        imports[i].kind = KP_WASM_EXTERNAL_FUNCTION;
        imports[i].function = NULL;
        kp_status_t status = KP_OK;
        if (import->kind == KP_WASM_EXTERNAL_FUNCTION &&
            kp_wasm_wasi_is_module(from, import->module.size))
            status = kp_wasm_wasi_function(run->store, run->wasi, name, import->name.size,
                                           &imports[i].function);
        if (status != KP_OK || !imports[i].function) {
            char what[1500];
            kp_wasm_import_print(module, i, NULL, what, sizeof what);
            kp_kpio_say("%s: %s: %s", run->path, what,
                        status == KP_OK ? "nobody has it" : kp_status_text(status));
            return KP_KPIO_FAILED;
        }
    }
    return KP_KPIO_OK;
}

/* What a call that did not return KP_OK means for us. */
static int ended(const kp_wasm_run_t *run, kp_status_t status)
{
    const kp_wasm_trap_t *trap = &run->store->trap;
    uint32_t code;
    if (kp_wasi_has_exited(run->wasi, &code))
        return (int)(code & 0xff);
    if (status == KP_ERR_EXCEPTION) {
        kp_kpio_say("%s: uncaught exception", run->path);
        return KP_KPIO_CRASHED;
    }
    if (status != KP_ERR_TRAP) {
        kp_kpio_say("%s: %s", run->path, kp_status_text(status));
        return KP_KPIO_FAILED;
    }
    char text[8192];
    kp_wasm_trap_print(trap, text, sizeof text);
    if (!run->verbose)
        text[strcspn(text, "\n")] = '\0';
    kp_kpio_say("%s: trap: %s", run->path, text);
    return trap->code == KP_WASM_TRAP_FUEL ? KP_KPIO_TIMEOUT : KP_KPIO_CRASHED;
}

static int instantiate(kp_wasm_run_t *run)
{
    kp_wasm_store_options_t options = kp_wasm_store_options_init(kp_wasm_heap);
    options.memory_maximum = run->memory_maximum;
    options.stack_bytes = 4 << 20;
    options.depth_maximum = 50000;
    if (run->metered)
        options.fuel = run->fuel;
    if (kp_wasm_store_create(&options, &run->store) != KP_OK) {
        kp_kpio_say("%s: not enough memory", run->path);
        return KP_KPIO_FAILED;
    }
    kp_wasm_extern_t *imports = calloc(run->module->import_count + 1u, sizeof *imports);
    int result = imports ? resolve(run, imports) : KP_KPIO_FAILED;
    uint32_t bad = UINT32_MAX;
    kp_status_t status = KP_OK;
    if (result == KP_KPIO_OK) {
        status = kp_wasm_instance_create(
            run->store, run->module, run->interpret ? &kp_wasm_interpreted_tier : run->code.tier,
            run->interpret ? (void *)run->interpreted : run->code.tier_module, imports,
            run->module->import_count, true, &run->instance, &bad);
        if (bad != UINT32_MAX) {
            char what[1500];
            kp_wasm_import_print(run->module, bad, &imports[bad], what, sizeof what);
            kp_kpio_say("%s: incompatible import type: %s", run->path, what);
            result = KP_KPIO_FAILED;
        } else if (status == KP_ERR_QUOTA) {
            kp_kpio_say("%s: memories and tables begin larger than permitted (--max-memory)",
                        run->path);
            result = KP_KPIO_FAILED;
        } else if (status != KP_OK) {
            result = ended(run, status);
        }
    }
    free(imports);
    return result;
}

static int invoke(kp_wasm_run_t *run, const char *name)
{
    kp_wasm_extern_t found;
    if (!kp_wasm_instance_find(run->instance, name, strlen(name), &found) ||
        found.kind != KP_WASM_EXTERNAL_FUNCTION) {
        kp_kpio_say("%s: no function \"%s\" is exported", run->path, name);
        return KP_KPIO_FAILED;
    }
    const kp_wasm_functype_t *type = found.function->signature;
    uint32_t room =
        type->parameter_count > type->result_count ? type->parameter_count : type->result_count;
    size_t given = run->invoke ? run->argument_count - 1 : 0;
    if (given != type->parameter_count) {
        kp_kpio_say("%s: %s takes %" PRIu32 " arguments, not %zu", run->path, name,
                    type->parameter_count, given);
        return KP_KPIO_USAGE;
    }
    kp_wasm_value_t *values = calloc(room + 1u, sizeof *values);
    if (!values)
        return KP_KPIO_FAILED;
    int result = KP_KPIO_OK;
    for (uint32_t i = 0; i < type->parameter_count && result == KP_KPIO_OK; i++) {
        if (!kp_wasm_value_parse(type->types[i], run->arguments[i + 1], &values[i])) {
            kp_kpio_say("%s: argument \"%s\" is no %s", run->path, run->arguments[i + 1],
                        kp_wasm_type_name(type->types[i]));
            result = KP_KPIO_USAGE;
        }
    }
    if (result == KP_KPIO_OK) {
        kp_status_t status = kp_wasm_call(run->store, found.function, values);
        if (status != KP_OK)
            result = ended(run, status);
        for (uint32_t i = 0; status == KP_OK && i < type->result_count; i++)
            kp_wasm_value_print(kp_wasm_functype_results(type)[i], &values[i]);
    }
    free(values);
    return result;
}

static int run_program(kp_wasm_run_t *run)
{
    kp_wasm_extern_t found;
    int result = decode(run->path, &run->bytes, &run->size, &run->module);
    if (result == KP_KPIO_OK)
        result = make_wasi(run);
    if (result == KP_KPIO_OK)
        result = make_code(run);
    if (result == KP_KPIO_OK)
        result = instantiate(run);
    if (result != KP_KPIO_OK)
        return result;
    if (!run->invoke)
        return invoke(run, "_start");
    /* A reactor is made ready first. */
    if (kp_wasm_instance_find(run->instance, "_initialize", 11, &found) &&
        found.kind == KP_WASM_EXTERNAL_FUNCTION &&
        found.function->signature->parameter_count == 0) {
        kp_wasm_value_t none[1] = {{0}};
        kp_status_t status = found.function->signature->result_count
                                 ? KP_ERR_INVALID_ARGUMENT
                                 : kp_wasm_call(run->store, found.function, none);
        if (status != KP_OK)
            return ended(run, status);
    }
    return invoke(run, run->invoke);
}

static int run_command(int count, char **arguments)
{
    static kp_wasm_run_t run;
    /* Linux refuses from now on what is not done anyway: that memory which was not becomes executable. */
    (void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
    run = (kp_wasm_run_t){.memory_maximum = (uint64_t)4 << 30};
    int result = parse(&run, count, arguments);
    if (result == KP_KPIO_OK)
        result = run_program(&run);
    if (fflush(stdout) != 0 && result == KP_KPIO_OK)
        result = KP_KPIO_FAILED;
    kp_wasm_store_destroy(run.store);
    kp_status_t kept = kp_code_finish(&run.code);
    if (kept != KP_OK)
        kp_wasm_code_not_kept(run.path, kept);
    kp_code_discard(&run.code);
    kp_code_cache_close(run.cache);
    kp_wasm_interpreted_destroy(run.interpreted);
    kp_wasm_module_destroy(run.module);
    kp_wasi_destroy(run.wasi);
    free(run.bytes);
    return result;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int kp_kpio_wasm(int count, char **arguments)
{
    bool wanted = count > 0 && (strcmp(arguments[0], "help") == 0 || asks_for_help(arguments[0]) ||
                                (count > 1 && asks_for_help(arguments[1])));
    if (count == 0 || wanted) {
        fputs(help, wanted ? stdout : stderr);
        return wanted ? KP_KPIO_OK : KP_KPIO_USAGE;
    }
    if (strcmp(arguments[0], "run") == 0)
        return run_command(count - 1, arguments + 1);
    if (strcmp(arguments[0], "validate") == 0)
        return validate(count - 1, arguments + 1);
    if (strcmp(arguments[0], "compile") == 0)
        return compile(count - 1, arguments + 1);
    kp_kpio_say("unknown command \"wasm %s\"; see kpio wasm --help", arguments[0]);
    return KP_KPIO_USAGE;
}
