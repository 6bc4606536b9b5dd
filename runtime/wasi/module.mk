# WASI preview 1: the same functions over any host.
WASI_SRC := $(addprefix runtime/wasi/,wasi.c descriptor.c fd.c path.c poll.c)
WASI_TREE_SRC := $(addprefix runtime/wasi/,tree.c tree_node.c tree_path.c)
WASI_LINUX_SRC := $(WASI_SRC) $(addprefix runtime/wasi/,linux.c linux_path.c)
WASI_KPIO_SRC := $(WASI_SRC) $(WASI_TREE_SRC) \
    $(addprefix runtime/wasi/,kpio.c kpio_input.c kpio_stream.c kpio_files.c)
PROGRAM_SRC += $(WASI_KPIO_SRC) # called from runtime/program/wasi.c
# In every program and never where time goes: small.
$(BUILD)/wasm/obj/runtime/wasi/%.o $(BUILD)/wasm/obj/runtime/program/wasi%.o: PROGRAM_CFLAGS += -Oz
UNIT_TESTS += wasi
wasi_TEST_SRC = runtime/wasi/test/test_wasi.c $(WASI_LINUX_SRC)
