# WASI preview 1: the same functions over any host.
WASI_SRC := $(addprefix runtime/wasi/,wasi.c descriptor.c fd.c path.c poll.c)
WASI_TREE_SRC := $(addprefix runtime/wasi/,tree.c tree_node.c tree_path.c)
WASI_LINUX_SRC := $(WASI_SRC) $(addprefix runtime/wasi/,linux.c linux_path.c)
WASI_KPIO_SRC := $(WASI_SRC) $(WASI_TREE_SRC) \
    $(addprefix runtime/wasi/,kpio.c kpio_input.c kpio_stream.c kpio_files.c kpio_directory.c kpio_path.c kpio_ask.c)
PROGRAM_SRC += $(WASI_KPIO_SRC) # called from runtime/program/wasi.c
# In every program and never where time goes: small.
$(BUILD)/wasm/obj/runtime/wasi/%.o $(BUILD)/wasm/obj/runtime/program/wasi%.o: PROGRAM_CFLAGS += -Oz
UNIT_TESTS += wasi
wasi_TEST_SRC = runtime/wasi/test/test_linux.c $(WASI_LINUX_SRC)

UNIT_TESTS += wasi_same
wasi_same_TEST_SRC = runtime/wasi/test/test_same.c $(WASI_LINUX_SRC) $(WASI_TREE_SRC)

# Over the kernel's own file systems, on its test machine.
WASI_VFS_TEST_SRC = runtime/wasi/test/vfs_bridge.c $(CORE_TEST_SRC) \
    $(addprefix runtime/wasi/,kpio.c kpio_input.c kpio_stream.c kpio_directory.c kpio_path.c)
UNIT_TESTS += wasi_vfs wasi_same_vfs
wasi_vfs_TEST_SRC = runtime/wasi/test/test_vfs.c $(WASI_SRC) $(WASI_VFS_TEST_SRC)
wasi_vfs_TEST_CFLAGS := -Ikernel/test
wasi_vfs_TEST_LDFLAGS := -pthread
wasi_same_vfs_TEST_SRC = runtime/wasi/test/test_same.c $(WASI_LINUX_SRC) $(WASI_TREE_SRC) $(WASI_VFS_TEST_SRC)
wasi_same_vfs_TEST_CFLAGS := -Ikernel/test -DSAME_VFS
wasi_same_vfs_TEST_LDFLAGS := -pthread

UNIT_TESTS += wasi_kpio
wasi_kpio_TEST_SRC = runtime/wasi/test/test_kpio.c runtime/wasi/test/fake_kernel.c $(WASI_KPIO_SRC) \
    runtime/program/startup.c
wasi_kpio_TEST_LDFLAGS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

FUZZ_TARGETS += wasi_calls
wasi_calls_FUZZ_SRC = runtime/wasi/fuzz/calls.c runtime/wasi/test/fake_kernel.c $(WASI_KPIO_SRC) \
    runtime/program/startup.c
wasi_calls_FUZZ_CORPUS := runtime/wasi/fuzz/calls

FUZZ_TARGETS += wasi_server
wasi_server_FUZZ_SRC = runtime/wasi/fuzz/server.c $(WASI_SRC) \
    $(addprefix runtime/wasi/,kpio.c kpio_input.c kpio_stream.c kpio_directory.c kpio_path.c)
wasi_server_FUZZ_CORPUS := runtime/wasi/fuzz/server

# The same cases in a program of KPIO: hosted by runtime/test/hosted.c, in QEMU by kpio.sh.
OTHER_PROGRAMS += wasi_test
wasi_test_SRC := runtime/wasi/test/program.c
wasi_test_MEMORY := 64
wasi_test_SPLIT := 2
WASI_TEST_BUNDLE := $(BUILD)/test/wasi.bundle
$(WASI_TEST_BUNDLE): $(BUILD)/tools/bundle $(BUILD)/image/x86_64/wasi_test.kpi runtime/test/greeting.txt
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ programs/shell.kpi=$(BUILD)/image/x86_64/wasi_test.kpi \
	    symbols/wasi.sym=$(BUILD)/image/x86_64/wasi_test.sym ui/greeting.txt=runtime/test/greeting.txt
test: $(WASI_TEST_BUNDLE)
TEST_SCRIPTS += runtime/wasi/test/kpio.sh
