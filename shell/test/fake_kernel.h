/* A kernel for tests of the whole shell: kp_call over objects in memory, without blocking. The test
   plays everybody else: tabs, display, console. Handles are the shell's only; the test works on
   objects, of which it holds references. Time stands still unless the test moves it. */
#ifndef KP_SHELL_FAKE_KERNEL_H
#define KP_SHELL_FAKE_KERNEL_H

#include <stdbool.h>

#include "abi/calls.h"
#include "abi/message.h"

typedef struct fake_object fake_object_t;

typedef struct fake_message {
    struct fake_message *next;
    size_t size;
    size_t object_count;
    fake_object_t *objects[KP_CHANNEL_HANDLES_MAX]; /* what the handles name; references */
    uint8_t bytes[];
} fake_message_t;

struct fake_object {
    uint32_t type;
    int references;
    fake_object_t *peer; /* channel */
    fake_message_t *first, *last;
    size_t queued;
    size_t limit;   /* messages that fit */
    uint8_t *bytes; /* VMO, and what was written to a device */
    size_t size;
    bool is_terminated; /* process */
    kp_process_info_t info;
};

typedef struct fake_tab {
    fake_object_t *channel; /* the tab's end */
    fake_object_t *process;
    uint32_t role, roles_told; /* of tab_set_role: the last, and how often */
} fake_tab_t;

#define FAKE_TABS_MAX 32

typedef struct fake_kernel {
    kp_time_t now;
    fake_tab_t tabs[FAKE_TABS_MAX];
    size_t tab_count;
    kp_status_t tab_status; /* of tab_create */
    fake_object_t *display; /* the display's end of the newest connection; NULL: none */
    size_t connections;
    fake_object_t *console;
    bool has_display, has_console, has_coordinator;
    size_t load_done_marks;
    bool is_quiet; /* no log */
} fake_kernel_t;

extern fake_kernel_t fake;

/* Closes every handle of the shell and frees what the test holds. */
void fake_reset(void);
/* Handles that the shell holds now. */
size_t fake_handle_count(void);

fake_object_t *fake_object(uint32_t type);
void fake_release(fake_object_t *object);
/* The other side's end: sends a message; objects: references are taken over. */
void fake_send(fake_object_t *end, const void *bytes, size_t size, fake_object_t *const *objects,
               size_t object_count);
/* The oldest message at this end, or NULL. The caller frees it with fake_message_free. */
fake_message_t *fake_receive(fake_object_t *end);
void fake_message_free(fake_message_t *message);
/* The process ends: its channel closes, its handle says why. */
void fake_end_tab(size_t tab, uint32_t reason, int32_t code, uint64_t address);
/* The display's end closes. */
void fake_end_display(void);

#endif
