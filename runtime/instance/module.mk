# The store: see README.md. Users add $(RUNTIME_INSTANCE_SRC) and runtime/wasm's sources; link with -pthread.
RUNTIME_INSTANCE_SRC := $(addprefix runtime/instance/,store.c memory.c table.c instance.c call.c code.c \
    x86_64.c x86_64_border.S linux.c)

# The same in a native program of KPIO (runtime/native).
RUNTIME_INSTANCE_KPIO_SRC := $(filter-out %/linux.c,$(RUNTIME_INSTANCE_SRC)) runtime/instance/kpio.c
