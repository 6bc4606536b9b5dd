#include "tools/kpio/wasm_code.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/compiler-process/parallel.h"
#include "tools/kpio/kpio.h"

bool kp_wasm_code_option(kp_wasm_code_choice_t *choice, const char *name, const char *value)
{
    if (strcmp(name, "--cache") == 0) {
        choice->folder = value;
        return value[0] != '\0';
    }
    if (strcmp(name, "--compiler") == 0) {
        choice->in_process = strcmp(value, "in-process") == 0;
        return choice->in_process || strcmp(value, "process") == 0;
    }
    if (strcmp(name, "--compile") == 0) {
        choice->lazy = strcmp(value, "lazy") == 0;
        return choice->lazy || strcmp(value, "eager") == 0;
    }
    if (strcmp(name, "--jobs") == 0) {
        char *end;
        unsigned long number = strtoul(value, &end, 10);
        choice->jobs = (unsigned)number;
        return value[0] >= '1' && value[0] <= '9' && !*end && number <= KP_WASM_JOBS_MAX;
    }
    return false;
}

static unsigned processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < KP_WASM_JOBS_MAX ? (unsigned)count : KP_WASM_JOBS_MAX;
}

/* $KPIO_CACHE/wasm, $XDG_CACHE_HOME/kpio/wasm or ~/.cache/kpio/wasm; false: none of them is set. */
static bool usual_folder(char *path, size_t size)
{
    static const struct {
        const char *variable, *below;
    } places[] = {
        {"KPIO_CACHE", "/wasm"}, {"XDG_CACHE_HOME", "/kpio/wasm"}, {"HOME", "/.cache/kpio/wasm"}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *base = getenv(places[i].variable);
        if (!base || base[0] != '/')
            continue;
        int length = snprintf(path, size, "%s%s", base, places[i].below);
        return length > 0 && (size_t)length < size;
    }
    return false;
}

/* The folders above it; what cannot be made, opening the cache finds missing. */
static void make_parents(const char *path)
{
    char part[KP_KPIO_PATH_MAX];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return;
    for (char *at = strchr(part + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(part, 0700);
        *at = '/';
    }
}

/* NULL: it cannot be used, and why was said. */
static kp_code_cache_t *open_at(const char *path, bool makes_parents)
{
    kp_code_cache_t *cache = NULL;
    kp_status_t status = kp_code_cache_open(path, 0, &cache);
    if (status == KP_ERR_NOT_FOUND && makes_parents) {
        make_parents(path);
        status = kp_code_cache_open(path, 0, &cache);
    }
    if (status == KP_OK)
        return cache;
    const char *reason = status == KP_ERR_ACCESS_DENIED
                             ? "it is not this user's alone, or cannot be read"
                         : status == KP_ERR_NOT_FOUND ? "No such file or directory"
                         : status == KP_ERR_IO        ? "it cannot be written"
                                                      : kp_status_text(status);
    kp_kpio_say("no code cache: %s: %s", path, reason);
    return NULL;
}

static kp_code_cache_t *open_cache(const char *folder, bool needed)
{
    char usual[KP_KPIO_PATH_MAX];
    if (!folder && !usual_folder(usual, sizeof usual)) {
        if (needed)
            kp_kpio_say("no code cache: HOME is not set; --cache DIR or -o FILE names a place");
        return NULL;
    }
    return open_at(folder ? folder : usual, !folder);
}

bool kp_wasm_code_system_folder(const char *folder, char *path, size_t size)
{
    char usual[KP_KPIO_PATH_MAX];
    if (!folder && !usual_folder(usual, sizeof usual))
        return false;
    int length = snprintf(path, size, "%s/system", folder ? folder : usual);
    if (length < 0 || (size_t)length >= size)
        return false;
    if (!folder)
        make_parents(path);
    kp_code_cache_t *cache = open_at(path, false);
    kp_code_cache_close(cache);
    return cache != NULL;
}

void kp_wasm_code_not_kept(const char *path, kp_status_t status)
{
    kp_kpio_say("%s: not kept in the code cache: %s", path,
                status == KP_ERR_IO ? "it cannot be written (a full disk?)"
                                    : kp_status_text(status));
}

kp_code_options_t kp_wasm_code_options(const kp_wasm_code_choice_t *choice,
                                       kp_wasm_allocator_t allocator, uint32_t flags)
{
    return (kp_code_options_t){
        .allocator = allocator,
        .flags = flags,
        .own_process = !choice->in_process,
        .lazy = choice->lazy,
        .jobs = choice->jobs ? choice->jobs : processors(),
        .cache = choice->no_cache ? NULL : open_cache(choice->folder, choice->cache_needed),
    };
}

int kp_wasm_code_failed(const kp_code_options_t *options, const char *path, kp_status_t status,
                        const kp_compile_failure_t *failure)
{
    bool no_process = options->own_process && status == KP_ERR_NOT_SUPPORTED &&
                      strstr(failure->text, "compiler's process");
    kp_kpio_say("%s: %s%s", path, failure->text,
                no_process ? "; --compiler in-process does without" : "");
    return no_process ? KP_KPIO_MISSING : KP_KPIO_FAILED;
}
