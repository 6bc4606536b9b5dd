KERNEL_SRC += $(addprefix kernel/object/, derivation.c device.c event.c futex.c handle.c image.c job.c \
    mapping.c object.c port.c priority.c process.c quota.c thread.c timer.c vmo.c wait.c)
