KERNEL_SRC += $(addprefix kernel/init/, boot.c bundle.c command_line.c directories.c fault.c files.c program.c unpack.c startup.c supervisor.c trace.c)
