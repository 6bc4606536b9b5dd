KERNEL_SRC += $(addprefix kernel/object/, code.c derivation.c device.c event.c futex.c guest.c handle.c image.c \
    job.c mapping.c object.c port.c priority.c process.c process_threads.c quota.c snapshot.c thread.c timer.c \
    turn.c vmo.c wait.c)
