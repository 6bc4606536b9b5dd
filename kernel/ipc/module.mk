KERNEL_SRC += $(addprefix kernel/ipc/, call.c channel.c services.c)
