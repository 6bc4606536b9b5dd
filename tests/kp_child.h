/* Processes that test programs make: of the same program, in a job, told by a channel which part they play. */
#ifndef KP_CHILD_H
#define KP_CHILD_H

#include <string.h>

#include "abi/startup.h"
#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"

typedef struct kp_child {
    kp_handle_t process, control;
} kp_child_t;

static inline void kp_child_close(kp_child_t *child)
{
    if (child->process)
        (void)kp_handle_close(child->process);
    if (child->control)
        (void)kp_handle_close(child->control);
    *child = (kp_child_t){0};
}

/* Starts one. Its startup message has "control", and `extra` by the name extra_name (NULL: none); the first message on
   control is the role, with the handles. All handles are moved on success; some of them are lost on error. */
static inline kp_status_t kp_child_start_with(kp_handle_t job, kp_handle_t code,
                                              const char *extra_name, kp_handle_t extra,
                                              const char *role, const kp_handle_t *handles,
                                              size_t count, kp_child_t *child)
{
    char text[128] = "tab\0control";
    size_t size = sizeof("tab\0control");
    kp_handle_t startup[2], control[2], moved[2] = {0, extra};
    kp_startup_header_t head = {
        .magic = KP_STARTUP_MAGIC, .argument_count = 1, .handle_count = extra_name ? 2 : 1};
    *child = (kp_child_t){0};
    if (extra_name && size + strlen(extra_name) + 1 > sizeof(text))
        return KP_ERR_TOO_LARGE;
    if (extra_name) {
        memcpy(text + size, extra_name, strlen(extra_name) + 1);
        size += strlen(extra_name) + 1;
    }
    kp_status_t status = kp_channel_create(startup);
    if (status != KP_OK)
        return status;
    status = kp_channel_create(control);
    if (status == KP_OK) {
        child->control = control[0];
        moved[0] = control[1];
        status = kp_message_send_with(startup[0], &head, sizeof(head), text, size, moved,
                                      head.handle_count);
    }
    if (status == KP_OK)
        status = kp_channel_write(child->control, role, strlen(role), handles, count);
    const kp_process_create_t create = {.code = code, .startup = startup[1], .name = "child"};
    int64_t made = status == KP_OK ? kp_process_create(job, &create) : status;
    (void)kp_handle_close(startup[0]);
    if (made < 0) {
        (void)kp_handle_close(startup[1]);
        kp_child_close(child);
        return (kp_status_t)made;
    }
    child->process = (kp_handle_t)made;
    status = kp_process_start(child->process);
    if (status != KP_OK)
        kp_child_close(child);
    return status;
}

static inline kp_status_t kp_child_start(kp_handle_t job, kp_handle_t code, const char *role,
                                         const kp_handle_t *handles, size_t count,
                                         kp_child_t *child)
{
    return kp_child_start_with(job, code, NULL, KP_HANDLE_NONE, role, handles, count, child);
}

/* Waits until it has ended, for as long as it takes up to the deadline, and closes its handles; false: it has not ended, or
   not by this reason and code. */
static inline bool kp_child_finish(kp_child_t *child, uint32_t reason, int32_t code,
                                   kp_time_t deadline)
{
    kp_process_info_t info = {0};
    kp_status_t status = kp_object_wait_one(child->process, KP_SIGNAL_TERMINATED, deadline, NULL);
    if (status == KP_OK)
        status = kp_process_info(child->process, &info);
    if (status != KP_OK || info.exit_reason != reason || info.exit_code != code)
        kp_log("a child: %s, ended by reason %u, code %d", kp_status_name(status),
               (unsigned)info.exit_reason, (int)info.exit_code);
    (void)kp_process_kill(child->process);
    kp_child_close(child);
    return status == KP_OK && info.exit_reason == reason && info.exit_code == code;
}

#endif
