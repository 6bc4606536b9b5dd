/* Included before every source of a program with threads: libc has one thread, so its errno is one for all,
   and there are no thread-local variables. Keep such things behind kp_thread_own() (thread.h). */
#ifndef KP_RUNTIME_PROGRAM_THREAD_LOCAL_H
#define KP_RUNTIME_PROGRAM_THREAD_LOCAL_H

#include <errno.h>

#pragma clang diagnostic error "-W#pragma-messages"
#define KP_NO_THREAD_LOCAL _Pragma("GCC warning \"programs have no thread-local variables\"")
#define _Thread_local KP_NO_THREAD_LOCAL
#define __thread KP_NO_THREAD_LOCAL

#endif
