KERNEL_SRC += $(addprefix kernel/init/, boot.c bundle.c command_line.c fault.c files.c startup.c supervisor.c trace.c)
