# The machine hosted: KPIO as a Linux program. The list has a name of its own for tests that link it.
HOSTED_MACHINE_SRC := \
    kernel/machine/hosted/base.c \
    kernel/machine/hosted/child.c \
    kernel/machine/hosted/devices.c \
    kernel/machine/hosted/lock.c \
    kernel/machine/hosted/main.c \
    kernel/machine/hosted/net_service.c \
    kernel/machine/hosted/net_socket.c \
    kernel/machine/hosted/sandbox.c \
    kernel/machine/hosted/screen.c \
    kernel/machine/hosted/slirp.c \
    kernel/machine/hosted/space.c \
    kernel/machine/hosted/symbols.c \
    kernel/machine/hosted/thread.c \
    kernel/machine/hosted/vmo.c \
    kernel/machine/hosted/window.c \
    kernel/machine/hosted/zygote.c
HOSTED_SRC += $(HOSTED_MACHINE_SRC)
