/* The one status type of the system: 0 is success, errors are negative (abi/status.def). */
#ifndef KP_ABI_STATUS_H
#define KP_ABI_STATUS_H

#include <stdint.h>

typedef int32_t kp_status_t;

enum {
#define KP_STATUS(name, number, meaning) KP_##name = (number),
#include "abi/status.def"
#undef KP_STATUS
};

/* The status's name, "ERR_NO_MEMORY"; "?" for a number that status.def does not have. */
static inline const char *kp_status_name(kp_status_t status)
{
    switch (status) {
#define KP_STATUS(name, number, meaning) \
    case (number):                       \
        return #name;
#include "abi/status.def"
#undef KP_STATUS
    default:
        return "?";
    }
}

/* One line in plain English for people; "?" for an unknown number. */
static inline const char *kp_status_text(kp_status_t status)
{
    switch (status) {
#define KP_STATUS(name, number, meaning) \
    case (number):                       \
        return meaning;
#include "abi/status.def"
#undef KP_STATUS
    default:
        return "?";
    }
}

#endif
