/* Memory, chance and assertions for lwIP. The budget is counted here, so that no traffic can make
   the process grow: an allocation beyond it fails, which lwIP treats as a lost frame or ERR_MEM. */
#include "network/netstack/netstack.h"

#include <stdlib.h>
#include <string.h>

/* In front of each allocation; 16 bytes keep the alignment of malloc. */
typedef struct block_head {
    size_t size;
    size_t unused;
} block_head_t;

static size_t memory_used;
static int64_t allocations_left = -1; /* until they fail; negative: no such limit */

size_t kp_netstack_memory_used(void)
{
    return memory_used;
}

void kp_netstack_memory_fail_after(int64_t count)
{
    allocations_left = count;
}

void *kp_netstack_allocate(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    if (size > KP_NETSTACK_BUDGET - memory_used)
        return NULL;
    block_head_t *head = malloc(sizeof(*head) + size);
    if (!head)
        return NULL;
    head->size = size;
    memory_used += size;
    return head + 1;
}

void *kp_netstack_allocate_zeroed(size_t count, size_t size)
{
    if (size && count > KP_NETSTACK_BUDGET / size)
        return NULL;
    void *memory = kp_netstack_allocate(count * size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

void kp_netstack_free(void *memory)
{
    if (!memory)
        return;
    block_head_t *head = (block_head_t *)memory - 1;
    memory_used -= head->size;
    free(head);
}

uint32_t kp_netstack_random(void)
{
    /* Drawn in small batches: ports, DNS identities and sequence numbers come often. */
    static uint32_t pool[16];
    static size_t left;
    if (!left) {
        kp_status_t status = kp_random_get(pool, sizeof(pool));
        if (status != KP_OK) {
            /* Guessable numbers would let others into connections: better none at all. */
            kp_log("no random numbers (%s)", kp_status_name(status));
            abort();
        }
        left = sizeof(pool) / sizeof(pool[0]);
    }
    return pool[--left];
}

void kp_netstack_assert_failed(const char *text, const char *file, int line)
{
    const char *name = strrchr(file, '/');
    kp_log("lwIP: %s (%s:%d)", text, name ? name + 1 : file, line);
    abort();
}
