#include "runtime/runner/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/program/startup.h"

static bool number(const char *text, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && !*end && errno == 0 && *value <= most;
}

/* Takes one option with its value; false: wrong. */
static bool take(kp_runner_options_t *options, const char **own, const char *name,
                 const char *value)
{
    uint64_t wide;
    if (strcmp(name, "--tier") == 0) {
        options->tier = strcmp(value, "interpret") == 0 ? KP_RUNNER_TIER_INTERPRET
                        : strcmp(value, "compile") == 0 ? KP_RUNNER_TIER_COMPILE
                                                        : KP_RUNNER_TIER_ANY;
        return options->tier != KP_RUNNER_TIER_ANY;
    }
    if (strcmp(name, "--compile") == 0) {
        options->compile = strcmp(value, "lazy") == 0    ? KP_RUNNER_COMPILE_LAZY
                           : strcmp(value, "eager") == 0 ? KP_RUNNER_COMPILE_EAGER
                                                         : KP_RUNNER_COMPILE_ANY;
        return options->compile != KP_RUNNER_COMPILE_ANY;
    }
    if (strcmp(name, "--fuel") == 0 && number(value, INT64_MAX, &wide)) {
        options->fuel = (int64_t)wide;
        options->metered = true;
        return true;
    }
    if (strcmp(name, "--stdin") == 0) {
        options->input = value;
        return true;
    }
    if (strcmp(name, "--settle") == 0) {
        options->settles = strcmp(value, "yes") == 0;
        return options->settles;
    }
    if (strcmp(name, "--memory") == 0) {
        options->checked_memory = strcmp(value, "checked") == 0;
        return options->checked_memory;
    }
    if (strcmp(name, "--max-memory") == 0)
        return number(value, UINT64_MAX, &options->memory_maximum);
    if (strcmp(name, "--env") == 0 && strchr(value, '=') &&
        options->environment_count < KP_RUNNER_ENVIRONMENT_MAX) {
        own[options->environment_count++] = value;
        return true;
    }
    return false;
}

bool kp_runner_parse(int argc, char **argv, kp_runner_options_t *options,
                     const char *own[KP_RUNNER_ENVIRONMENT_MAX])
{
    *options = (kp_runner_options_t){.memory_maximum = (uint64_t)4 << 30, .environment = own};
    size_t count;
    const char *const *environment = kp_startup_environment(&count);
    for (size_t i = 0; i < count && i < KP_RUNNER_ENVIRONMENT_MAX; i++)
        own[options->environment_count++] = environment[i];
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (argv[i][2] == '\0') {
            i++;
            break;
        }
        if (i + 1 == argc || !take(options, own, argv[i], argv[i + 1])) {
            printf("wasm-runner: wrong option %s\n", argv[i]);
            return false;
        }
    }
    if (i >= argc) {
        printf("wasm-runner: no module\n");
        return false;
    }
    options->module = argv[i];
    char *name = strrchr(argv[i], '/');
    argv[i] = name ? name + 1 : argv[i];
    options->arguments = (const char **)&argv[i];
    options->argument_count = (size_t)(argc - i);
    return true;
}
