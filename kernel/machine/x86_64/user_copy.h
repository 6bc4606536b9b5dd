/* Copies between the kernel and the memory of the running thread's own process, without walking its
   page tables: the processor does. They go through SSE registers, which are dead inside a system
   call; so only there, and with interrupts off (a switch would not keep them). The caller has
   checked the range against linear memory's size. False: a page is not there or may not be written;
   some of the bytes may have been copied. The slow ways of space.c find out why. */
#ifndef KP_X86_USER_COPY_H
#define KP_X86_USER_COPY_H

#include "abi/ipc.h"
#include "kernel/machine/x86_64/trap.h"

/* One of the two is user memory (kp_x86_user_pointer). */
static inline bool kp_x86_user_copy(void *to, const void *from, size_t count)
{
    bool failed;
    __asm__ volatile("call kp_x86_user_copy"
                     : "=@ccc"(failed), "+D"(to), "+S"(from), "+d"(count)
                     :
                     : "rax", "memory");
    return !failed;
}

static inline bool kp_x86_user_copy_40(void *to, const void *from)
{
    bool failed;
    __asm__ volatile("call kp_x86_user_copy_40"
                     : "=@ccc"(failed)
                     : "D"(to), "S"(from)
                     : "rax", "memory");
    return !failed;
}

static inline bool kp_x86_user_copy_messages(kp_channel_message_t to[2], const void *first,
                                             const void *second)
{
    bool failed;
    __asm__ volatile("call kp_x86_user_copy_messages"
                     : "=@ccc"(failed)
                     : "D"(to), "S"(first), "d"(second)
                     : "rax", "rcx", "memory");
    return !failed;
}

static inline bool kp_x86_user_deliver(void *to, const void *from, size_t count,
                                       kp_channel_message_t *message, kp_transaction_t transaction)
{
    bool failed;
    register uint64_t id __asm__("r8") = transaction;
    __asm__ volatile("call kp_x86_user_deliver"
                     : "=@ccc"(failed), "+D"(to), "+S"(from), "+d"(count)
                     : "c"(message), "r"(id)
                     : "rax", "memory");
    return !failed;
}

/* For the trap handler: where a fault may happen, and where it continues. */
extern const uint8_t kp_x86_user_copy_begin[], kp_x86_user_copy_end[], kp_x86_user_copy_fault[];

static inline void *kp_x86_user_pointer(uint64_t offset)
{
    return (void *)(KP_X86_USER_MEMORY + offset);
}

/* Is the space the running thread's, inside a system call? */
static inline bool kp_x86_user_copy_is_possible(const kp_machine_space_t *space)
{
    const kp_machine_thread_t *current = kp_x86_current();
    return current->space == space && current->in_call;
}

#endif
