#include "kernel/init/fault.h"

#include "kernel/init/boot.h"
#include "kernel/init/command_line.h"
#include "kernel/object/process.h"

#define WORD_MAX 128u

typedef struct fault {
    char name[sizeof(((kp_process_t *)0)->name)];
    char mark[KP_BOOT_MARK_MAX + 1];
    atomic_bool waits; /* cleared by the one mark that acts */
} fault_t;

/* Written by kp_fault_init only, before other threads run; then read-only but for `waits`. */
static fault_t faults[KP_FAULTS_MAX];
static uint32_t fault_count;

/* Splits "NAME@MARK"; false when a part is empty or too long. */
static bool fault_parse(fault_t *fault, const char *text)
{
    size_t name_length = 0;
    while (text[name_length] && text[name_length] != '@')
        name_length++;
    if (!text[name_length] || name_length == 0 || name_length >= sizeof(fault->name))
        return false;
    const char *mark = text + name_length + 1;
    size_t mark_length = strlen(mark);
    if (mark_length == 0 || mark_length >= sizeof(fault->mark))
        return false;
    memcpy(fault->name, text, name_length);
    fault->name[name_length] = 0;
    memcpy(fault->mark, mark, mark_length + 1);
    return true;
}

void kp_fault_init(const char *command_line)
{
    static const char key[] = "kill=";
    char word[WORD_MAX];
    fault_count = 0;
    while (kp_command_line_next(&command_line, word, sizeof(word))) {
        if (strncmp(word, key, sizeof(key) - 1) != 0)
            continue;
        if (fault_count == KP_FAULTS_MAX ||
            !fault_parse(&faults[fault_count], word + sizeof(key) - 1)) {
            kp_log("fault", KP_LOG_WARN, "left out: %s", word);
            continue;
        }
        atomic_store(&faults[fault_count++].waits, true);
    }
}

typedef struct search {
    const char *name;
    uint64_t newest; /* number of those processes; 0: there is none */
} search_t;

static void process_find_named(kp_process_t *process, void *context)
{
    search_t *search = context;
    if (strcmp(process->name, search->name) == 0)
        search->newest = KP_MAX(search->newest, process->object.koid);
}

/* Not its successor, which may come before the search is over. */
static void process_end_named(kp_process_t *process, void *context)
{
    const search_t *search = context;
    if (strcmp(process->name, search->name) == 0 && process->object.koid <= search->newest)
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
}

void kp_fault_mark(const char *mark)
{
    for (uint32_t i = 0; i < fault_count; i++) {
        fault_t *fault = &faults[i];
        if (strcmp(fault->mark, mark) != 0 || !atomic_exchange(&fault->waits, false))
            continue;
        search_t search = {.name = fault->name};
        kp_process_each(process_find_named, &search);
        kp_process_each(process_end_named, &search);
        kp_log("fault", KP_LOG_WARN, "%s at %s: %s", fault->name, mark,
               search.newest ? "killed" : "no such process");
    }
}
