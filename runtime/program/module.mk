# Linked into every program (the archive's order matters: these definitions come before libc's).
PROGRAM_SRC += \
    runtime/program/log.c \
    runtime/program/loop.c \
    runtime/program/memory.c \
    runtime/program/message.c \
    runtime/program/startup.c \
    runtime/program/vmo.c \
    runtime/program/wasi.c \
    runtime/program/wasi_absent.c
