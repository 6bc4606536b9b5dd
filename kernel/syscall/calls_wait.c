/* Timers, ports and futexes. */
#include "kernel/syscall/call.h"
