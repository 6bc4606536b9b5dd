KERNEL_SRC += $(addprefix kernel/vfs/, connection.c content.c devices.c node.c ramfs.c source.c walk.c)
