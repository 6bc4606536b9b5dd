KERNEL_SRC += kernel/time/deadline.c
