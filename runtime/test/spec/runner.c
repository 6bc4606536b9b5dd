/* Runs wast2json's command lists against an engine. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/test/spec/expect.h"
#include "runtime/test/spec/files.h"
#include "runtime/test/spec/json.h"
#include "runtime/test/spec/spec_engine.h"
#include "runtime/test/spec/values.h"

#define NAMED_MODULES 256

typedef struct named {
    char name[96];
    void *instance;
} named_t;

typedef struct runner {
    const kp_spec_engine_t *engine;
    const char *directory;
    bool verbose;
    kp_wasm_features_t features;
    kp_spec_expectations_t expected;
    /* The whole run. */
    unsigned long passed, failed, expected_failures, text_skipped, reasons_differ;
    /* The current file. */
    char name[96];
    unsigned file_passed, file_failed, file_expected;
    void *store;
    void *last; /* instance */
    named_t named[NAMED_MODULES];
    size_t named_count;
    uint8_t **kept; /* module bytes, until the store is closed */
    size_t kept_count;
    kp_spec_message_t message;
} runner_t;

/* ---- counting ---- */

static void pass(runner_t *runner)
{
    runner->passed++;
    runner->file_passed++;
}

__attribute__((format(printf, 3, 4))) static void fail(runner_t *runner, const kp_json_t *command,
                                                       const char *format, ...)
{
    long line = strtol(kp_json_text(command, "line"), NULL, 10);
    bool expected = kp_spec_expectations_failed(&runner->expected, runner->name, line);
    if (expected) {
        runner->expected_failures++;
        runner->file_expected++;
    } else {
        runner->failed++;
        runner->file_failed++;
    }
    if (!expected || runner->verbose) {
        va_list arguments;
        va_start(arguments, format);
        printf("# %s:%ld %s: ", runner->name, line, kp_json_text(command, "type"));
        vprintf(format, arguments);
        printf("%s\n", expected ? " (expected)" : "");
        va_end(arguments);
    }
}

static const char *outcome_name(kp_spec_outcome_t outcome)
{
    static const char *const names[] = {
        [KP_SPEC_OK] = "ok",
        [KP_SPEC_MALFORMED] = "malformed",
        [KP_SPEC_INVALID] = "invalid",
        [KP_SPEC_UNSUPPORTED] = "unsupported",
        [KP_SPEC_UNLINKABLE] = "unlinkable",
        [KP_SPEC_TRAP] = "trap",
        [KP_SPEC_EXHAUSTION] = "exhaustion",
        [KP_SPEC_EXCEPTION] = "exception",
        [KP_SPEC_ERROR] = "error",
    };
    return names[outcome];
}

/* The suite's text is the beginning of ours, or ours of it. */
static bool reason_matches(const char *wanted, const char *found)
{
    size_t length = strlen(wanted), other = strlen(found);
    return other > 0 && strncmp(wanted, found, length < other ? length : other) == 0;
}

static void check_reason(runner_t *runner, const kp_json_t *command)
{
    const char *wanted = kp_json_text(command, "text");
    if (reason_matches(wanted, runner->message.text))
        return;
    runner->reasons_differ++;
    if (runner->verbose)
        printf("# %s:%s reason: expected \"%s\", found \"%s\"\n", runner->name,
               kp_json_text(command, "line"), wanted, runner->message.text);
}

/* ---- modules ---- */

/* The bytes of the command's module; they live until the file ends. */
static uint8_t *load(runner_t *runner, const kp_json_t *command, size_t *size)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", runner->directory, kp_json_text(command, "filename"));
    uint8_t *bytes = kp_spec_file_read(path, size);
    uint8_t **grown =
        bytes ? realloc(runner->kept, (runner->kept_count + 1) * sizeof(*grown)) : NULL;
    if (!grown) {
        free(bytes);
        fail(runner, command, "cannot read %s", path);
        return NULL;
    }
    runner->kept = grown;
    runner->kept[runner->kept_count++] = bytes;
    return bytes;
}

static void add_name(runner_t *runner, const char *name, void *instance)
{
    if (runner->named_count < NAMED_MODULES) {
        named_t *named = &runner->named[runner->named_count++];
        snprintf(named->name, sizeof(named->name), "%s", name);
        named->instance = instance;
    }
}

/* The instance a command is about: by name, or the last one. */
static void *find_instance(const runner_t *runner, const char *name)
{
    if (name[0] == '\0')
        return runner->last;
    for (size_t i = runner->named_count; i-- > 0;) {
        if (strcmp(runner->named[i].name, name) == 0)
            return runner->named[i].instance;
    }
    return NULL;
}

static void do_module(runner_t *runner, const kp_json_t *command)
{
    const kp_spec_engine_t *engine = runner->engine;
    size_t size;
    /* A definition is a module of which nothing is instantiated. */
    bool defined = kp_json_member(command, "definition") != NULL;
    void *instance = NULL;
    if (!defined)
        runner->last = NULL;
    uint8_t *bytes = load(runner, command, &size);
    if (!bytes)
        return;
    kp_spec_outcome_t outcome =
        engine->instantiate && !defined
            ? engine->instantiate(runner->store, bytes, size, &instance, &runner->message)
            : engine->check(runner->store, bytes, size, &runner->message);
    if (outcome != KP_SPEC_OK) {
        fail(runner, command, "%s: %s", outcome_name(outcome), runner->message.text);
        return;
    }
    if (defined) {
        pass(runner);
        return;
    }
    runner->last = instance;
    const char *name = kp_json_text(command, "name");
    if (name[0])
        add_name(runner, name, runner->last);
    pass(runner);
}

static void do_rejected(runner_t *runner, const kp_json_t *command)
{
    if (strcmp(kp_json_text(command, "module_type"), "binary") != 0) {
        runner->text_skipped++;
        return;
    }
    size_t size;
    uint8_t *bytes = load(runner, command, &size);
    if (!bytes)
        return;
    kp_spec_outcome_t outcome = runner->engine->check(runner->store, bytes, size, &runner->message);
    if (outcome != KP_SPEC_MALFORMED && outcome != KP_SPEC_INVALID) {
        fail(runner, command, "expected \"%s\", found %s %s", kp_json_text(command, "text"),
             outcome_name(outcome), runner->message.text);
        return;
    }
    check_reason(runner, command);
    pass(runner);
}

/* Modules that validate but do not come to life. */
static void do_uninstantiable(runner_t *runner, const kp_json_t *command)
{
    size_t size;
    void *instance;
    uint8_t *bytes = load(runner, command, &size);
    if (!bytes)
        return;
    kp_spec_outcome_t outcome =
        runner->engine->instantiate(runner->store, bytes, size, &instance, &runner->message);
    bool linking = strcmp(kp_json_text(command, "type"), "assert_unlinkable") == 0;
    bool good = linking ? outcome == KP_SPEC_UNLINKABLE
                        : outcome == KP_SPEC_TRAP || outcome == KP_SPEC_EXCEPTION ||
                              outcome == KP_SPEC_EXHAUSTION;
    if (!good) {
        fail(runner, command, "expected \"%s\", found %s %s", kp_json_text(command, "text"),
             outcome_name(outcome), runner->message.text);
        return;
    }
    check_reason(runner, command);
    pass(runner);
}

static void do_register(runner_t *runner, const kp_json_t *command)
{
    const kp_json_t *as = kp_json_member(command, "as");
    void *instance = find_instance(runner, kp_json_text(command, "name"));
    if (!as || !as->text || !instance)
        fail(runner, command, "no such instance");
    else if (!runner->engine->bind(runner->store, instance, as->text, as->length))
        fail(runner, command, "not registered");
    else
        pass(runner);
}

/* ---- actions ---- */

typedef struct results {
    kp_spec_value_t values[KP_SPEC_VALUES];
    size_t count;
} results_t;

/* False: the command makes no sense, and was counted as failed. */
static bool act(runner_t *runner, const kp_json_t *command, kp_spec_outcome_t *outcome,
                results_t *results)
{
    const kp_json_t *action = kp_json_member(command, "action");
    const kp_json_t *field = kp_json_member(action, "field");
    void *instance = find_instance(runner, kp_json_text(action, "module"));
    if (!field || !field->text || !instance) {
        fail(runner, command, "no such instance");
        return false;
    }
    results->count = 0;
    if (strcmp(kp_json_text(action, "type"), "get") == 0) {
        results->count = 1;
        *outcome = runner->engine->get(runner->store, instance, field->text, field->length,
                                       results->values, &runner->message);
        return true;
    }
    static kp_spec_value_t arguments[KP_SPEC_VALUES];
    size_t count = 0;
    const kp_json_t *list = kp_json_member(action, "args");
    for (const kp_json_t *each = list ? list->child : NULL; each; each = each->next) {
        if (count >= KP_SPEC_VALUES || !kp_spec_value_read(each, &arguments[count++])) {
            fail(runner, command, "argument %zu not understood", count);
            return false;
        }
    }
    *outcome =
        runner->engine->invoke(runner->store, instance, field->text, field->length, arguments,
                               count, results->values, &results->count, &runner->message);
    return true;
}

static void check_results(runner_t *runner, const kp_json_t *command, const results_t *results)
{
    const kp_json_t *list = kp_json_member(command, "expected");
    size_t i = 0;
    for (const kp_json_t *wanted = list ? list->child : NULL; wanted; wanted = wanted->next, i++) {
        if (i < results->count && kp_spec_value_matches(wanted, &results->values[i]))
            continue;
        char found[96] = "nothing";
        if (i < results->count)
            kp_spec_value_print(&results->values[i], found, sizeof(found));
        const kp_json_t *action = kp_json_member(command, "action");
        fail(runner, command, "%s: result %zu: expected %s:%s, found %s",
             kp_json_text(action, "field"), i, kp_json_text(wanted, "type"),
             kp_json_text(wanted, "value"), found);
        return;
    }
    if (i != results->count)
        fail(runner, command, "%zu results, expected %zu", results->count, i);
    else
        pass(runner);
}

static void do_return(runner_t *runner, const kp_json_t *command)
{
    static results_t results;
    kp_spec_outcome_t outcome;
    if (!act(runner, command, &outcome, &results))
        return;
    if (outcome != KP_SPEC_OK)
        fail(runner, command, "%s: %s %s", kp_json_text(kp_json_member(command, "action"), "field"),
             outcome_name(outcome), runner->message.text);
    else
        check_results(runner, command, &results);
}

/* An action of which only the end matters. */
static void do_action(runner_t *runner, const kp_json_t *command, kp_spec_outcome_t wanted)
{
    static results_t results;
    kp_spec_outcome_t outcome;
    if (!act(runner, command, &outcome, &results))
        return;
    if (outcome != wanted) {
        fail(runner, command, "%s: expected %s \"%s\", found %s %s",
             kp_json_text(kp_json_member(command, "action"), "field"), outcome_name(wanted),
             kp_json_text(command, "text"), outcome_name(outcome), runner->message.text);
    } else if (wanted == KP_SPEC_TRAP &&
               !reason_matches(kp_json_text(command, "text"), runner->message.text)) {
        fail(runner, command, "expected trap \"%s\", found \"%s\"", kp_json_text(command, "text"),
             runner->message.text);
    } else {
        pass(runner);
    }
}

static void do_command(runner_t *runner, const kp_json_t *command)
{
    const char *type = kp_json_text(command, "type");
    runner->message.text[0] = '\0';
    if (strcmp(type, "module") == 0)
        do_module(runner, command);
    else if (strcmp(type, "assert_malformed") == 0 || strcmp(type, "assert_invalid") == 0)
        do_rejected(runner, command);
    else if (!runner->engine->instantiate)
        return;
    else if (strcmp(type, "register") == 0)
        do_register(runner, command);
    else if (strcmp(type, "assert_unlinkable") == 0 || strcmp(type, "assert_uninstantiable") == 0 ||
             kp_json_member(command, "filename"))
        do_uninstantiable(runner, command);
    else if (strcmp(type, "assert_return") == 0)
        do_return(runner, command);
    else if (strcmp(type, "action") == 0)
        do_action(runner, command, KP_SPEC_OK);
    else if (strcmp(type, "assert_trap") == 0)
        do_action(runner, command, KP_SPEC_TRAP);
    else if (strcmp(type, "assert_exhaustion") == 0)
        do_action(runner, command, KP_SPEC_EXHAUSTION);
    else if (strcmp(type, "assert_exception") == 0)
        do_action(runner, command, KP_SPEC_EXCEPTION);
    else
        fail(runner, command, "unknown command");
}

/* ---- files ---- */

static void run_commands(runner_t *runner, const kp_json_t *json)
{
    runner->last = NULL;
    runner->named_count = 0;
    runner->store = runner->engine->open(runner->features);
    if (!runner->store) {
        fail(runner, json, "no store");
        return;
    }
    const kp_json_t *commands = kp_json_member(json, "commands");
    for (const kp_json_t *each = commands ? commands->child : NULL; each; each = each->next)
        do_command(runner, each);
    runner->engine->close(runner->store);
    for (size_t i = 0; i < runner->kept_count; i++)
        free(runner->kept[i]);
    free(runner->kept);
    runner->kept = NULL;
    runner->kept_count = 0;
}

static void run_file(runner_t *runner, const char *file)
{
    char path[4096];
    size_t size = 0;
    snprintf(path, sizeof(path), "%s/%s", runner->directory, file);
    snprintf(runner->name, sizeof(runner->name), "%.*s", (int)(strlen(file) - 5), file);
    runner->file_passed = runner->file_failed = runner->file_expected = 0;
    char *text = (char *)kp_spec_file_read(path, &size);
    kp_json_t *json = text ? kp_json_parse(text, size) : NULL;
    free(text);
    if (!json) {
        fail(runner, NULL, "cannot read %s", path);
    } else {
        run_commands(runner, json);
        kp_json_free(json);
    }
    printf("%s %s/%s: %u passed", runner->file_failed ? "not ok" : "ok", runner->engine->name,
           runner->name, runner->file_passed);
    if (runner->file_failed)
        printf(", %u failed", runner->file_failed);
    if (runner->file_expected)
        printf(", %u expected failures", runner->file_expected);
    printf("\n");
    fflush(stdout);
}

/* Entries of the list that nothing failed for must leave it. */
static void check_list(runner_t *runner)
{
    for (size_t i = 0; i < runner->expected.count; i++) {
        const kp_spec_expectation_t *item = &runner->expected.items[i];
        if (item->failed > 0)
            continue;
        runner->failed++;
        if (item->line < 0)
            printf("not ok %s/%s:* passes now: take it off the list\n", runner->engine->name,
                   item->name);
        else
            printf("not ok %s/%s:%ld passes now: take it off the list\n", runner->engine->name,
                   item->name, item->line);
    }
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--expect LIST] [--features 2|all] [--only NAME] [--verbose] DIRECTORY\n",
            program);
    return 2;
}

int kp_spec_main(int argc, char **argv, const kp_spec_engine_t *engine)
{
    static runner_t runner;
    const char *list = NULL, *only = NULL;
    runner = (runner_t){.engine = engine, .features = KP_WASM_FEATURES_ALL};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--expect") == 0 && more)
            list = argv[++i];
        else if (strcmp(argv[i], "--only") == 0 && more)
            only = argv[++i];
        else if (strcmp(argv[i], "--features") == 0 && more)
            runner.features =
                strcmp(argv[++i], "2") == 0 ? KP_WASM_FEATURES_2 : KP_WASM_FEATURES_ALL;
        else if (strcmp(argv[i], "--verbose") == 0)
            runner.verbose = true;
        else if (argv[i][0] != '-' && !runner.directory)
            runner.directory = argv[i];
        else
            return usage(argv[0]);
    }
    if (!runner.directory)
        return usage(argv[0]);
    char **files = NULL;
    long count = kp_spec_files_list(runner.directory, &files);
    if (count <= 0) {
        printf("not ok %s finds no suite in %s\n", engine->name, runner.directory);
        return 1;
    }
    if (!kp_spec_expectations_read(&runner.expected, list))
        return 2;
    for (long i = 0; i < count; i++) {
        size_t length = strlen(files[i]) - 5;
        if (!only || (strlen(only) == length && strncmp(only, files[i], length) == 0))
            run_file(&runner, files[i]);
    }
    kp_spec_files_list_free(files, count);
    if (!only)
        check_list(&runner);
    kp_spec_expectations_clear(&runner.expected);
    printf("# total: %lu passed, %lu failed, %lu expected failures, %lu reasons differ, "
           "%lu of the text format skipped\n",
           runner.passed, runner.failed, runner.expected_failures, runner.reasons_differ,
           runner.text_skipped);
    return runner.failed != 0;
}
