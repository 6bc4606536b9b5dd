KERNEL_SRC += kernel/browser/coordinator.c
