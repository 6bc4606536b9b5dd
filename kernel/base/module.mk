# Functions that every kernel file may use: for x86_64; hosted has libc's. Strings: machine/x86_64.
X86_SRC += kernel/base/snprintf.c kernel/base/random.c

UNIT_TESTS += kernel-base
kernel-base_TEST_SRC := kernel/base/test/base_test.c kernel/base/snprintf.c kernel/base/random.c

KERNEL_SRC += kernel/base/tree.c
UNIT_TESTS += kernel_time
kernel_time_TEST_SRC := kernel/time/test/test_deadline.c kernel/time/deadline.c kernel/base/tree.c
