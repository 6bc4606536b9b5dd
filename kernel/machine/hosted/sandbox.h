/* Between the files that run inside a KPIO process (sandbox*.c). */
#ifndef KP_HOSTED_SANDBOX_H
#define KP_HOSTED_SANDBOX_H

#include <linux/filter.h>

#include "kernel/machine/hosted/page.h"
#include "kernel/machine/hosted/spin.h"

/* The only files that the process keeps; the file that comes with an order is the next. Its program has
   no system call that takes one. */
enum { KP_SANDBOX_MEMORY_FILE = 0, KP_SANDBOX_CONTROL_FILE = 1, KP_SANDBOX_ORDER_FILE = 2 };

/* What clone is called with, and nothing else. */
#define KP_SANDBOX_CLONE_FLAGS                                                          \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* A thread's own, at its gs base. */
typedef struct kp_sandbox_thread {
    struct kp_sandbox_thread *self; /* at 0 and 8: the code in sandbox_agent.c */
    uint32_t is_leaving;
    uint32_t slot;
    uint64_t go_on; /* at 16: sandbox_guest.c */
    kp_call_page_t *page;
    uint8_t *stack; /* lowest address, above the guard */
    kp_spin_t spin;
} kp_sandbox_thread_t;

static inline kp_sandbox_thread_t *kp_sandbox_self(void)
{
    kp_sandbox_thread_t *self;
    __asm__("movq %%gs:0, %0" : "=r"(self));
    return self;
}

/* ---- sandbox.c ---- */
int64_t kp_sandbox_make_call(uint32_t number, const uint64_t given[6]);
/* Of thread->slot; the same address in the kernel, which is the same program. */
kp_sandbox_thread_t *kp_sandbox_thread(uint32_t slot);
/* Where a further thread begins, on its own stack; thread_create's two words. Never returns. */
void kp_sandbox_thread_enter(uint64_t slot, uint64_t entry, uint64_t argument);

/* ---- sandbox_agent.c ---- */
/* The program's kp_image_call_fn. */
int64_t kp_sandbox_call(uint32_t number, const uint64_t arguments[6]);
/* Starts the agent, all signals blocked. */
bool kp_sandbox_agent_start(uint8_t *area);

/* ---- sandbox_guest.c ---- */
/* In the handler of a fault at the address: if it is the program's to handle, goes there and does not
   return. context: the handler's ucontext_t. */
void kp_sandbox_guest_fault(const kp_orders_t *orders, uint64_t address, void *context);

/* ---- sandbox_filter.c ---- */
/* What the agent may do; all threads inherit it. */
struct sock_fprog kp_sandbox_filter_agent(void);
/* And what is left of that for the program's threads. The instructions lie in constant memory. */
struct sock_fprog kp_sandbox_filter_program(void);

#endif
