/* lwIP's view of the compiler and of the system. */
#ifndef KP_NETSTACK_ARCH_CC_H
#define KP_NETSTACK_ARCH_CC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

uint32_t kp_netstack_random(void);
_Noreturn void kp_netstack_assert_failed(const char *text, const char *file, int line);

#define LWIP_RAND() kp_netstack_random()
#define LWIP_PLATFORM_DIAG(arguments) \
    do {                              \
    } while (0)
#define LWIP_PLATFORM_ASSERT(text) kp_netstack_assert_failed(text, __FILE__, __LINE__)
#define LWIP_NO_CTYPE_H 1
#define LWIP_NO_UNISTD_H 1

#endif
