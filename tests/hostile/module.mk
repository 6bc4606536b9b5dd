# One process per abuse, on both machines: a boot archive whose "shell" is the driver and whose "tab" is the
# hostile program.
hostile_driver_SRC := $(addprefix tests/hostile/,driver.c storm.c)
hostile_driver_SPLIT := 2
hostile_driver_MEMORY := 16
hostile_SRC := $(addprefix tests/hostile/,main.c handles.c memory.c code.c guest.c channels.c waiting.c ends.c silent.c spawn.c threads.c fuzz.c) services/compiler/client.c
hostile_SPLIT := 2
hostile_MEMORY := 256
hostile_THREADS := y
$(eval $(call KP_PROGRAM,hostile_driver))
$(eval $(call KP_PROGRAM,hostile))

# $(call HOSTILE_BUNDLE,machine,file)
define HOSTILE_BUNDLE
$(2): $(BUILD)/tools/bundle $(BUILD)/image/$(1)/hostile_driver.kpi $(BUILD)/image/$(1)/hostile.kpi \
    $(BUILD)/image/$(1)/compiler.kpi
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ programs/shell.kpi=$(BUILD)/image/$(1)/hostile_driver.kpi \
	    programs/tab.kpi=$(BUILD)/image/$(1)/hostile.kpi \
	    symbols/tab.sym=$(BUILD)/image/$(1)/hostile.sym \
	    programs/compiler.kpi=$(BUILD)/image/$(1)/compiler.kpi
endef
$(eval $(call HOSTILE_BUNDLE,hosted,$(BUILD)/test/hostile-hosted.bundle))
$(eval $(call HOSTILE_BUNDLE,x86_64,$(BUILD)/test/hostile-x86_64.bundle))

HOST_TOOLS += hostile-hosted
hostile-hosted_HOST_SRC = tests/hostile/hosted.c $(KERNEL_SRC) $(HOSTED_MACHINE_SRC)
hostile-hosted_HOST_CFLAGS := -Ikernel/machine/hosted $(SANITIZE)
hostile-hosted_HOST_LDFLAGS := -pthread -ldl
TEST_SCRIPTS += tests/hostile/run.sh
.PHONY: test-hostile
test-hostile: $(BUILD)/kpio $(BUILD)/x86_64/kpio.elf $(BUILD)/tools/hostile-hosted $(BUILD)/test/hostile-hosted.bundle $(BUILD)/test/hostile-x86_64.bundle
	tests/hostile/run.sh $(ARGS)
test: $(BUILD)/tools/hostile-hosted $(BUILD)/test/hostile-hosted.bundle $(BUILD)/test/hostile-x86_64.bundle
