KERNEL_SRC += kernel/ipc/channel.c kernel/ipc/services.c
