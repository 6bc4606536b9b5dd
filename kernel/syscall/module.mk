KERNEL_SRC += $(addprefix kernel/syscall/, calls_channel.c calls_code.c calls_device.c calls_guest.c calls_handle.c calls_ipc.c \
    calls_job.c calls_memory.c calls_process.c calls_spawn.c calls_wait.c dispatch.c message.c)
