/* What every kernel file may use. The kernel core is freestanding C: on x86_64 these functions come
   from kernel/machine/x86_64, hosted from libc behind kernel/machine/hosted. */
#ifndef KP_KERNEL_BASE_H
#define KP_KERNEL_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

/* Memory: kp_kalloc gives zeroed memory aligned to 16, or NULL. Callable with interrupts off, not
   from interrupt handlers. kp_kfree takes NULL. Tests can make the n-th allocation fail. */
void *kp_kalloc(size_t size);
/* The same, not zeroed: for what is overwritten at once, all of it. */
void *kp_kalloc_dirty(size_t size);
void kp_kfree(void *memory);

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t count);

/* printf's d u x p s c, widths, 0-padding and - , l ll z; never more than size bytes with the NUL;
   returns the length it would have had. */
int kp_snprintf(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int kp_vsnprintf(char *to, size_t size, const char *format, va_list arguments);

enum { KP_LOG_ERROR = 0, KP_LOG_WARN = 1, KP_LOG_INFO = 2, KP_LOG_DEBUG = 3 };
/* One line to the log (serial; hosted: stderr when -v). area: "mm", "ipc", ... */
void kp_log(const char *area, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints reason, CPU, registers, symbolised backtrace, and stops the machine. */
_Noreturn void kp_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Always checked: memory safety of the kernel. */
#define KP_CHECK(condition) \
    ((condition) ? (void)0 : kp_panic("%s:%d: check failed: %s", __FILE__, __LINE__, #condition))
/* Our own invariants; compiled out of release builds. */
#ifdef KP_NO_ASSERT
#define KP_ASSERT(condition) ((void)0)
#else
#define KP_ASSERT(condition) KP_CHECK(condition)
#endif

#define KP_CONTAINER_OF(pointer, type, member) \
    ((type *)((char *)(pointer) - offsetof(type, member)))
#define KP_ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KP_MIN(a, b) ((a) < (b) ? (a) : (b))
#define KP_MAX(a, b) ((a) > (b) ? (a) : (b))
#define KP_ROUND_UP(value, unit) (((value) + (unit) - 1) / (unit) * (unit))

/* A doubly linked list with its head as sentinel. */
typedef struct kp_list {
    struct kp_list *next, *previous;
} kp_list_t;

static inline void kp_list_init(kp_list_t *list)
{
    list->next = list->previous = list;
}

static inline bool kp_list_is_empty(const kp_list_t *list)
{
    return list->next == list;
}

static inline void kp_list_append(kp_list_t *list, kp_list_t *item)
{
    item->previous = list->previous;
    item->next = list;
    list->previous->next = item;
    list->previous = item;
}

/* Leaves the item pointing to itself, so removing it twice is harmless. */
static inline void kp_list_remove(kp_list_t *item)
{
    item->previous->next = item->next;
    item->next->previous = item->previous;
    kp_list_init(item);
}

#endif
