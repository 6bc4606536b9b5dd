# Functions that every kernel file may use: for x86_64; hosted has libc.
X86_SRC += kernel/base/snprintf.c kernel/base/random.c
X86_SRC += kernel/base/string.c

UNIT_TESTS += kernel-base
kernel-base_TEST_SRC := kernel/base/test/base_test.c kernel/base/snprintf.c kernel/base/random.c
