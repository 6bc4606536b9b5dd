# Linked into every program (the archive's order matters: these definitions come before libc's).
PROGRAM_SRC += \
    runtime/program/log.c \
    runtime/program/loop.c \
    runtime/program/memory.c \
    runtime/program/message.c \
    runtime/program/ring.c \
    runtime/program/startup.c \
    runtime/program/vmo.c \
    runtime/program/wasi.c \
    runtime/program/wasi_path.c \
    runtime/program/wasi_read.c

UNIT_TESTS += program_ring
program_ring_TEST_SRC := runtime/program/test/test_ring.c runtime/program/ring.c
FUZZ_TARGETS += program_ring
program_ring_FUZZ_SRC := runtime/program/fuzz/ring.c runtime/program/ring.c
program_ring_FUZZ_CORPUS := runtime/program/fuzz/ring
