KERNEL_SRC += $(addprefix kernel/ipc/, call.c channel.c container.c services.c)
