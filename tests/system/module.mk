# The whole hosted system, its processes ended one by one.
HOST_TOOLS += system-crash
system-crash_HOST_SRC = tests/system/crash.c $(KERNEL_SRC) $(HOSTED_MACHINE_SRC)
system-crash_HOST_CFLAGS := -Ikernel/machine/hosted $(SANITIZE)
system-crash_HOST_LDFLAGS := -pthread -ldl
TEST_SCRIPTS += tests/system/crash.sh
test: $(BUILD)/tools/system-crash
