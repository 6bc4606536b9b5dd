#include "shell/history.h"

#include <stdlib.h>
#include <string.h>

#include "shell/html.h"

static void drop(kp_shell_history_t *history, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++)
        free(history->entries[i].url);
    memmove(&history->entries[from], &history->entries[from + count],
            (history->count - from - count) * sizeof(history->entries[0]));
    history->count -= count;
}

void kp_shell_history_clear(kp_shell_history_t *history)
{
    drop(history, 0, history->count);
    history->current = 0;
}

kp_status_t kp_shell_history_push(kp_shell_history_t *history, const char *url)
{
    char *copy = strdup(url);
    if (!copy)
        return KP_ERR_NO_MEMORY;
    if (history->count > 0)
        drop(history, history->current + 1, history->count - history->current - 1);
    if (history->count == KP_SHELL_HISTORY_MAX)
        drop(history, 0, 1);
    history->current = history->count++;
    history->entries[history->current] = (kp_shell_history_entry_t){.url = copy};
    return KP_OK;
}

kp_status_t kp_shell_history_replace(kp_shell_history_t *history, const char *url)
{
    kp_shell_history_entry_t *entry = kp_shell_history_current(history);
    if (!entry)
        return KP_ERR_BAD_STATE;
    if (strcmp(entry->url, url) == 0)
        return KP_OK;
    char *copy = strdup(url);
    if (!copy)
        return KP_ERR_NO_MEMORY;
    free(entry->url);
    entry->url = copy;
    entry->title[0] = 0;
    return KP_OK;
}

void kp_shell_history_go(kp_shell_history_t *history, size_t index)
{
    if (index < history->count)
        history->current = index;
}

kp_shell_history_entry_t *kp_shell_history_current(kp_shell_history_t *history)
{
    return history->count > 0 ? &history->entries[history->current] : NULL;
}

void kp_shell_history_set_title(kp_shell_history_t *history, const char *title, size_t size)
{
    kp_shell_history_entry_t *entry = kp_shell_history_current(history);
    if (entry)
        (void)kp_shell_clean_copy(entry->title, sizeof(entry->title), title, size);
}
