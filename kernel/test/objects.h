/* One object of each type that programs can hold, for tests that go through all types: a new type gets its
   line in objects.c, and the rights test and the calls fuzzer have it. */
#ifndef KP_KERNEL_TEST_OBJECTS_H
#define KP_KERNEL_TEST_OBJECTS_H

#include "kernel/test/machine.h"

/* Makes them (what lasts for ever, services and devices, once). Aborts when it cannot. */
void kp_test_objects_begin(void);
/* Gives them up; the process of KP_TYPE_PROCESS ends. */
void kp_test_objects_end(void);

/* The types that there are, ended by KP_TYPE_NONE. */
const uint32_t *kp_test_object_types(void);
bool kp_test_object_exists(uint32_t type);

/* A capability to the object of the type. Channels: to one end of a new one; the other is kept until
   kp_test_objects_end, or for some time. */
kp_capability_t kp_test_object(uint32_t type, kp_rights_t rights);
/* To a process that froze itself and can be cloned. */
kp_capability_t kp_test_object_frozen(void);
/* As a handle of the process. */
kp_handle_t kp_test_object_handle(kp_process_t *process, uint32_t type, kp_rights_t rights);

/* The kernel's end of the requests of the service, so that what was sent there can be thrown away. */
void kp_test_service_drain(void);

#endif
