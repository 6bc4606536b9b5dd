# make bench [RUNS=N]: measurements as tables, and as build/bench/*.json. Speed fails no test.
bench: all $(BUILD)/tools/testserver | $(SYSTEM_RUN_READY)
	$(Q)bench/boot $(RUNS)
	$(Q)bench/memory
	$(Q)bench/render $(RUNS)

# make bench-kernel: the kernel's own figures, most in guest instructions, as build/bench/kernel.json.
kernel_client_SRC := bench/programs/kernel_client.c
kernel_client_SPLIT := 2
kernel_client_MEMORY := 16
kernel_server_SRC := bench/programs/kernel_server.c
kernel_server_SPLIT := 2
kernel_server_MEMORY := 16
OTHER_PROGRAMS += kernel_client kernel_server

# A boot archive in which the client is the shell and the server the tab: $(call BENCH_BUNDLE,machine,file)
define BENCH_BUNDLE
$(2): $(BUILD)/tools/bundle $(BUILD)/image/$(1)/kernel_client.kpi $(BUILD)/image/$(1)/kernel_server.kpi
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ programs/shell.kpi=$(BUILD)/image/$(1)/kernel_client.kpi \
	    programs/tab.kpi=$(BUILD)/image/$(1)/kernel_server.kpi
endef
$(eval $(call BENCH_BUNDLE,x86_64,$(BUILD)/bench/kernel.bundle))
$(eval $(call BENCH_BUNDLE,hosted,$(BUILD)/bench/kernel-hosted.bundle))
.PHONY: bench-kernel
bench-kernel: $(BUILD)/x86_64/kpio.elf $(BUILD)/bench/kernel.bundle $(BUILD)/kpio $(BUILD)/test/memory.bundle \
    $(BUILD)/bench/kernel-hosted.bundle $(BUILD)/tools/bench_hosted $(BUILD)/test/calls.bundle \
    $(BUILD)/tools/hosted_scale $(BUILD)/kpio.bundle \
    | $(SYSTEM_RUN_READY)
	$(Q)bench/kernel

# The hosted machine's part of it: bench/kernel.d/hosted.sh.
HOST_TOOLS += bench_hosted
bench_hosted_HOST_SRC = bench/hosted.c $(KERNEL_SRC) $(HOSTED_MACHINE_SRC)
bench_hosted_HOST_CFLAGS := -Ikernel/machine/hosted
bench_hosted_HOST_LDFLAGS := -pthread -ldl
TEST_SCRIPTS += bench/kernel-test
test: $(BUILD)/bench/kernel.bundle
TEST_SCRIPTS += bench/memory-test

# make bench-compiler: the compiler service beside the native compiler, as build/bench/compiler.json.
# bundle-hosted BUNDLE [WORD...]: a boot archive on the machine hosted, as a user's kernel is built.
HOST_TOOLS += bundle-hosted
bundle-hosted_HOST_SRC = tests/hostile/hosted.c $(KERNEL_SRC) $(HOSTED_MACHINE_SRC)
bundle-hosted_HOST_CFLAGS := -Ikernel/machine/hosted
bundle-hosted_HOST_LDFLAGS := -pthread -ldl
.PHONY: bench-compiler
bench-compiler: $(BUILD)/kpio $(BUILD)/x86_64/kpio.elf $(BUILD)/tools/compile-digest $(BUILD)/tools/bundle-hosted \
    $(BUILD)/test/compiler-hosted.bundle $(BUILD)/test/compiler-x86_64.bundle
	$(Q)bench/compiler
