# Tests of runtime/program, runtime/image and machine/hosted together: one program with many cases, run
# for real by a native driver. It is in no boot archive but the test's own.
runtime_test_SRC := runtime/test/program.c
runtime_test_MEMORY := 64
runtime_test_SPLIT := 2
IMAGE_EVIL_SRC := runtime/test/call_evil.S

$(eval $(call KP_PROGRAM,runtime_test))
$(eval $(call KP_IMAGE,runtime_test,evil,2,IMAGE_EVIL_SRC))

RUNTIME_TEST_BUNDLE := $(BUILD)/test/runtime.bundle
RUNTIME_TEST_FILES := programs/test.kpi=$(BUILD)/image/hosted/runtime_test.kpi \
    programs/evil.kpi=$(BUILD)/image/evil/runtime_test.kpi \
    programs/memory.kpi=$(BUILD)/image/hosted/memory_test.kpi \
    programs/waiting.kpi=$(BUILD)/image/hosted/waiting_test.kpi \
    programs/wasi.kpi=$(BUILD)/image/hosted/wasi_test.kpi \
    data/greeting.txt=runtime/test/greeting.txt
$(RUNTIME_TEST_BUNDLE): $(BUILD)/tools/bundle $(lastword $(MAKEFILE_LIST)) \
    $(foreach file,$(RUNTIME_TEST_FILES),$(lastword $(subst =, ,$(file))))
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ $(RUNTIME_TEST_FILES)

$(eval $(call HOSTED_TEST,hosted,runtime/test/hosted.c,$$(RUNTIME_TEST_BUNDLE)))

# The service `net` over host sockets (no program runs, but the machine wants an archive).
$(eval $(call HOSTED_TEST,hosted_net,kernel/machine/hosted/test/net_service.c,$$(RUNTIME_TEST_BUNDLE)))

$(eval $(call HOSTED_TEST,hosted_screen,kernel/machine/hosted/test/screen.c,$$(RUNTIME_TEST_BUNDLE)))

# The programs http and netstack, hosted, over host sockets and over their own stack.
HTTP_TEST_BUNDLE := $(BUILD)/test/http.bundle
HTTP_TEST_IMAGES := http netstack
$(HTTP_TEST_BUNDLE): $(BUILD)/tools/bundle $(HTTP_TEST_IMAGES:%=$(BUILD)/image/hosted/%.kpi)
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ \
	    $(foreach image,$(HTTP_TEST_IMAGES),programs/$(image).kpi=$(BUILD)/image/hosted/$(image).kpi)

$(eval $(call HOSTED_TEST,hosted_http,kernel/machine/hosted/test/http.c,$$(HTTP_TEST_BUNDLE)))

TEST_SCRIPTS += runtime/test/build-checks runtime/test/quickjs runtime/test/real-programs

# VMOs, processes and snapshots: one program for both machines (hosted.c starts it from the same archive
# as the others, memory.sh in QEMU).
memory_test_SRC := $(addprefix runtime/test/,memory.c memory_ring.c memory_scale.c memory_spawn.c)
memory_test_MEMORY := 64
memory_test_SPLIT := 2
$(eval $(call KP_PROGRAM,memory_test))
MEMORY_TEST_BUNDLE := $(BUILD)/test/memory.bundle
$(MEMORY_TEST_BUNDLE): $(BUILD)/tools/bundle $(BUILD)/image/x86_64/memory_test.kpi runtime/test/greeting.txt
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ programs/shell.kpi=$(BUILD)/image/x86_64/memory_test.kpi \
	    programs/memory.kpi=$(BUILD)/image/x86_64/memory_test.kpi \
	    symbols/memory.sym=$(BUILD)/image/x86_64/memory_test.sym ui/greeting.txt=runtime/test/greeting.txt
test: $(MEMORY_TEST_BUNDLE)
TEST_SCRIPTS += runtime/test/memory.sh

# Ports, timers, the event loop, and ten thousand channels: likewise (waiting.sh in QEMU).
waiting_test_SRC := runtime/test/waiting.c
waiting_test_MEMORY := 64
waiting_test_SPLIT := 2
$(eval $(call KP_PROGRAM,waiting_test))
WAITING_TEST_BUNDLE := $(BUILD)/test/waiting.bundle
$(WAITING_TEST_BUNDLE): $(BUILD)/tools/bundle $(BUILD)/image/x86_64/waiting_test.kpi
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ programs/shell.kpi=$(BUILD)/image/x86_64/waiting_test.kpi \
	    programs/idle.kpi=$(BUILD)/image/x86_64/waiting_test.kpi
test: $(WAITING_TEST_BUNDLE)
TEST_SCRIPTS += runtime/test/waiting.sh
