/* Of native programs: set by strtol and its kin alone. */
#ifndef KP_NATIVE_ERRNO_H
#define KP_NATIVE_ERRNO_H

extern int errno;
enum { ENOMEM = 12, EINVAL = 22, ERANGE = 34 };
#define ENOMEM ENOMEM
#define EINVAL EINVAL
#define ERANGE ERANGE

#endif
