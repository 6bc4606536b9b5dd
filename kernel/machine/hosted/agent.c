/* The kernel's word to a process's agent (sandbox_agent.c). An order stands in memory that the process
   cannot write; that it was carried out is said over a socket that its program cannot use. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/machine/hosted/lane.h"
#include "kernel/machine/hosted/sandbox.h"

static bool is_gone(const kp_hosted_child_t *child)
{
    return atomic_load(&child->is_dead) || atomic_load(&child->is_killed);
}

/* Has the agent make the calls, with the file if fd >= 0. */
static kp_status_t order(kp_hosted_child_t *child, const kp_order_call_t *calls, uint32_t count,
                         int fd)
{
    kp_orders_t *orders = kp_area_orders(child->area);
    uint8_t made = 0;
    kp_spin_lock(&child->order_lock);
    orders->call_count = count;
    orders->closes_file = fd >= 0;
    for (uint32_t i = 0; i < count; i++)
        orders->calls[i] = calls[i];
    ssize_t got = -1;
    if (!is_gone(child) && kp_hosted_send(child->control_fd, "o", 1, &fd, fd >= 0) == 1) {
        do
            got = recv(child->control_fd, &made, 1, 0);
        while (got < 0 && errno == EINTR);
    }
    kp_spin_unlock(&child->order_lock);
    if (got != 1 || is_gone(child))
        return KP_ERR_PROCESS_DEAD;
    return made == count ? KP_OK : KP_ERR_NO_MEMORY;
}

static kp_order_call_t map_call(uint64_t address, uint64_t length, int protection, int file,
                                uint64_t offset)
{
    return (kp_order_call_t){
        SYS_mmap,
        {address, length, (uint64_t)protection, MAP_SHARED | MAP_FIXED, (uint64_t)file, offset}};
}

/* It only grows: good enough to keep what the sandbox writes itself away from them. */
void kp_hosted_orders_note_read_only(kp_orders_t *orders, uint64_t first, uint64_t length)
{
    bool is_first = orders->read_only_first >= orders->read_only_end;
    orders->read_only_first = is_first ? first : KP_MIN(orders->read_only_first, first);
    orders->read_only_end = KP_MAX(orders->read_only_end, first + length);
}

kp_status_t kp_hosted_child_map(kp_hosted_child_t *child, uint32_t address, uint32_t length, int fd,
                                uint64_t offset, bool is_writable)
{
    const kp_order_call_t call = map_call(
        child->layout.memory + address, length, is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
        fd >= 0 ? KP_SANDBOX_ORDER_FILE : KP_SANDBOX_MEMORY_FILE, offset);
    kp_status_t status = order(child, &call, 1, fd);
    if (status == KP_OK && !is_writable)
        kp_hosted_orders_note_read_only(kp_area_orders(child->area), address, length);
    return status;
}

kp_status_t kp_hosted_child_map_code(kp_hosted_child_t *child, uint64_t address, uint64_t length,
                                     int fd, uint64_t offset)
{
    const kp_order_call_t call =
        map_call(address, length, PROT_READ | PROT_EXEC, KP_SANDBOX_ORDER_FILE, offset);
    return order(child, &call, 1, fd);
}

kp_status_t kp_hosted_child_unmap_code(kp_hosted_child_t *child, uint64_t address, uint64_t length)
{
    const kp_order_call_t call = {SYS_munmap, {address, length}};
    return order(child, &call, 1, -1);
}

/* ---- together with the thread ---- */

/* Has the first thread do what its page's fields say. */
static kp_status_t act(kp_hosted_child_t *child)
{
    kp_call_page_t *page = child->page;
    kp_page_publish(page, KP_PAGE_ACTION);
    for (;;) {
        if (is_gone(child))
            return KP_ERR_PROCESS_DEAD;
        uint32_t state = kp_page_state(page);
        if (state == KP_PAGE_ACTED)
            break;
        if (state == KP_PAGE_FAULT)
            return KP_ERR_PROCESS_DEAD;
        if (state != KP_PAGE_ACTION) {
            /* It broke the protocol; whatever it is up to, it ends here. */
            kp_hosted_child_kill(child);
            return KP_ERR_PROCESS_DEAD;
        }
        kp_page_wait(page, KP_PAGE_ACTION, KP_PAGE_ACTION, &child->is_dead, &child->is_killed);
    }
    return page->action_result == KP_OK ? KP_OK : KP_ERR_NO_MEMORY;
}

kp_status_t kp_hosted_child_map_lane(kp_hosted_child_t *child, uint32_t slot, kp_handle_t handle,
                                     bool is_server, int fd)
{
    const kp_order_call_t call =
        map_call(kp_hosted_layout_lanes(&child->layout) + slot * KP_LANE_SIZE, KP_LANE_SIZE,
                 PROT_READ | PROT_WRITE, KP_SANDBOX_ORDER_FILE, 0);
    kp_status_t status = order(child, &call, 1, fd);
    if (status != KP_OK)
        return status;
    kp_call_page_t *page = child->page;
    page->action = KP_PAGE_ACTION_LANE;
    page->action_address = slot;
    page->action_length = handle;
    page->action_is_server = is_server;
    return act(child);
}

kp_status_t kp_hosted_child_freeze(kp_hosted_child_t *child, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return KP_ERR_NO_MEMORY;
    const kp_order_call_t call =
        map_call(child->layout.memory + KP_SANDBOX_SCRATCH_OFFSET, (uint64_t)info.st_size,
                 PROT_READ | PROT_WRITE, KP_SANDBOX_ORDER_FILE, 0);
    kp_status_t status = order(child, &call, 1, fd);
    if (status != KP_OK)
        return status;
    child->page->action = KP_PAGE_ACTION_FREEZE;
    return act(child);
}
