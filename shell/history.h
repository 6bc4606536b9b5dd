/* What one tab has shown: a list of entries with a current one. Pure; owns copies of the strings.
 */
#ifndef KP_SHELL_HISTORY_H
#define KP_SHELL_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

#define KP_SHELL_HISTORY_MAX 100u /* entries; the oldest go first */
#define KP_SHELL_TITLE_MAX 256u   /* bytes, the NUL included */

typedef struct kp_shell_history_entry {
    char *url; /* owned */
    char title[KP_SHELL_TITLE_MAX];
    int32_t scroll_x, scroll_y; /* CSS px, where the user left it */
} kp_shell_history_entry_t;

/* Zero-initialise. */
typedef struct kp_shell_history {
    kp_shell_history_entry_t entries[KP_SHELL_HISTORY_MAX];
    size_t count;
    size_t current; /* < count, unless count is 0 */
} kp_shell_history_t;

void kp_shell_history_clear(kp_shell_history_t *history);
/* A new entry after the current one, which it becomes; later ones are forgotten. ERR_NO_MEMORY: the
   history is as it was. */
kp_status_t kp_shell_history_push(kp_shell_history_t *history, const char *url);
/* Gives the current entry another URL (redirect, reload); its title goes when the URL differs.
   ERR_BAD_STATE when there is no entry, ERR_NO_MEMORY: as it was. */
kp_status_t kp_shell_history_replace(kp_shell_history_t *history, const char *url);
/* Makes another entry the current one; index must be < count. */
void kp_shell_history_go(kp_shell_history_t *history, size_t index);
/* NULL when there is none; borrowed until the next change. */
kp_shell_history_entry_t *kp_shell_history_current(kp_shell_history_t *history);
/* Cleaned and cut; ignored when there is no entry. */
void kp_shell_history_set_title(kp_shell_history_t *history, const char *title, size_t size);

static inline bool kp_shell_history_can_back(const kp_shell_history_t *history)
{
    return history->current > 0;
}

static inline bool kp_shell_history_can_forward(const kp_shell_history_t *history)
{
    return history->current + 1 < history->count;
}

#endif
