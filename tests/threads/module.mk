# A program with threads, on both machines: it is the "shell" of a boot archive of its own.
threads_SRC := tests/threads/main.c
threads_SPLIT := 2
threads_MEMORY := 64
threads_THREADS := y
$(eval $(call KP_PROGRAM,threads))

# $(call THREADS_BUNDLE,machine,file)
define THREADS_BUNDLE
$(2): $(BUILD)/tools/bundle $(BUILD)/image/$(1)/threads.kpi
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ programs/shell.kpi=$(BUILD)/image/$(1)/threads.kpi
endef
$(eval $(call THREADS_BUNDLE,hosted,$(BUILD)/test/threads-hosted.bundle))
$(eval $(call THREADS_BUNDLE,x86_64,$(BUILD)/test/threads-x86_64.bundle))

TEST_SCRIPTS += tests/threads/run.sh
test: $(BUILD)/test/threads-hosted.bundle $(BUILD)/test/threads-x86_64.bundle
