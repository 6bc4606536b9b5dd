KERNEL_SRC += kernel/trace/trace.c
