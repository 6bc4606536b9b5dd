# The machine hosted: KPIO as a Linux program. The list has a name of its own for tests that link it.
HOSTED_MACHINE_SRC := \
    kernel/machine/hosted/agent.c \
    kernel/machine/hosted/base.c \
    kernel/machine/hosted/child.c \
    kernel/machine/hosted/clone.c \
    kernel/machine/hosted/devices.c \
    kernel/machine/hosted/guest.c \
    kernel/machine/hosted/hostfs.c \
    kernel/machine/hosted/lane.c \
    kernel/machine/hosted/lane_side.c \
    kernel/machine/hosted/lock.c \
    kernel/machine/hosted/main.c \
    kernel/machine/hosted/net_service.c \
    kernel/machine/hosted/net_socket.c \
    kernel/machine/hosted/sandbox.c \
    kernel/machine/hosted/sandbox_agent.c \
    kernel/machine/hosted/sandbox_filter.c \
    kernel/machine/hosted/sandbox_freeze.c \
    kernel/machine/hosted/sandbox_guest.c \
    kernel/machine/hosted/sandbox_lane.c \
    kernel/machine/hosted/screen.c \
    kernel/machine/hosted/slirp.c \
    kernel/machine/hosted/space.c \
    kernel/machine/hosted/symbols.c \
    kernel/machine/hosted/thread.c \
    kernel/machine/hosted/usage.c \
    kernel/machine/hosted/vmo.c \
    kernel/machine/hosted/window.c \
    kernel/machine/hosted/zygote.c
HOSTED_SRC += $(HOSTED_MACHINE_SRC)

# $(call HOSTED_TEST,name,source,boot archive): a unit test on this machine (tests/kp_test_hosted.h)
define HOSTED_TEST
UNIT_TESTS += $(1)
$(1)_TEST_SRC = $(2) $$(KERNEL_SRC) $$(HOSTED_MACHINE_SRC)
$(1)_TEST_CFLAGS := -Ikernel/machine/hosted
$(1)_TEST_LDFLAGS := -pthread -ldl
$(1)_TEST_DEPS = $(3)
endef

# Calls between two processes, for the test and for bench/hosted.c.
calls_SRC := kernel/machine/hosted/test/calls_program.c
calls_MEMORY := 16
calls_SPLIT := 2
OTHER_PROGRAMS += calls

CALLS_BUNDLE := $(BUILD)/test/calls.bundle
$(CALLS_BUNDLE): $(BUILD)/tools/bundle $(BUILD)/image/hosted/calls.kpi
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ programs/calls.kpi=$(BUILD)/image/hosted/calls.kpi

$(eval $(call HOSTED_TEST,hosted_calls,kernel/machine/hosted/test/calls.c,$$(CALLS_BUNDLE)))

HOST_TOOLS += hosted_scale
hosted_scale_HOST_SRC = kernel/machine/hosted/test/scale.c $(KERNEL_SRC) $(HOSTED_MACHINE_SRC)
hosted_scale_HOST_CFLAGS := -Ikernel/machine/hosted
hosted_scale_HOST_LDFLAGS := -pthread -ldl
TEST_SCRIPTS += kernel/machine/hosted/test/scale
test: $(CALLS_BUNDLE)

# Programs without a library: processes with threads, clones.
HOSTED_BARE_IMAGES := $(BUILD)/image/hosted/threads.kpi $(BUILD)/image/hosted/clones.kpi
$(HOSTED_BARE_IMAGES): $(BUILD)/image/hosted/%.kpi: \
    $(BUILD)/native/kernel/machine/hosted/test/%_program.o runtime/image/check
	$(call say,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)ld $(IMAGE_LDFLAGS) $< -o $@.elf
	$(Q)runtime/image/check $@.elf
	$(Q)cp $@.elf $@

THREADS_BUNDLE := $(BUILD)/test/threads.bundle
$(THREADS_BUNDLE): $(BUILD)/tools/bundle $(BUILD)/image/hosted/threads.kpi \
    $(BUILD)/image/hosted/calls.kpi
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ programs/threads.kpi=$(BUILD)/image/hosted/threads.kpi \
	    programs/calls.kpi=$(BUILD)/image/hosted/calls.kpi

$(eval $(call HOSTED_TEST,hosted_threads,kernel/machine/hosted/test/threads.c,$$(THREADS_BUNDLE)))

CLONES_BUNDLE := $(BUILD)/test/clones.bundle
$(CLONES_BUNDLE): $(BUILD)/tools/bundle $(BUILD)/image/hosted/clones.kpi
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ programs/clones.kpi=$(BUILD)/image/hosted/clones.kpi

$(eval $(call HOSTED_TEST,hosted_clones,kernel/machine/hosted/test/clones.c,$$(CLONES_BUNDLE)))

UNIT_TESTS += hosted_lane
hosted_lane_TEST_SRC := kernel/machine/hosted/test/test_lane.c kernel/machine/hosted/lane_side.c
hosted_lane_TEST_LDFLAGS := -pthread
TEST_SCRIPTS += kernel/machine/hosted/test/lane-tsan

FUZZ_TARGETS += hosted_lane
hosted_lane_FUZZ_SRC = kernel/machine/hosted/fuzz/lane.c $(KERNEL_SRC) \
    $(filter-out kernel/machine/hosted/child.c kernel/machine/hosted/agent.c,$(HOSTED_MACHINE_SRC))
hosted_lane_FUZZ_CFLAGS := -Ikernel/machine/hosted
hosted_lane_FUZZ_LDFLAGS := -pthread -ldl
hosted_lane_FUZZ_CORPUS := kernel/machine/hosted/fuzz/lane
