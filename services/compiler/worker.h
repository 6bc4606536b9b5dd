/* One module is compiled by one process, which is this program again with the argument "worker" and holds
   nothing but a channel: the module decides nothing but its own code, and memory, time and crashes end
   with it. Message to the worker: kp_compiler_request_t and the module's VMO (READ | MAP, sealed).
   COMPILE: its answer is kp_compiler_reply_t and, with KP_OK, a VMO with the artefact. OPEN: kp_compiler_functions_t
   follow, one at a time, each answered so, also when the module cannot be decoded. */
#ifndef KP_SERVICES_COMPILER_WORKER_H
#define KP_SERVICES_COMPILER_WORKER_H

#include "abi/compiler.h"

#define KP_COMPILER_WORKER_ARGUMENT "worker"

/* main of a worker. */
int kp_compiler_worker_run(void);

#endif
