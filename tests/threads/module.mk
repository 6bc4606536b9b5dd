# A program with threads, on both machines: it is the "shell" of a boot archive of its own.
program_threads_SRC := tests/threads/main.c
program_threads_SPLIT := 2
program_threads_MEMORY := 64
program_threads_THREADS := y
$(eval $(call KP_PROGRAM,program_threads))

# $(call PROGRAM_THREADS_BUNDLE,machine,file)
define PROGRAM_THREADS_BUNDLE
$(2): $(BUILD)/tools/bundle $(BUILD)/image/$(1)/program_threads.kpi
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ programs/shell.kpi=$(BUILD)/image/$(1)/program_threads.kpi
endef
$(eval $(call PROGRAM_THREADS_BUNDLE,hosted,$(BUILD)/test/threads-hosted.bundle))
$(eval $(call PROGRAM_THREADS_BUNDLE,x86_64,$(BUILD)/test/threads-x86_64.bundle))

TEST_SCRIPTS += tests/threads/run.sh
test: $(BUILD)/tools/hostile-hosted $(BUILD)/test/threads-hosted.bundle $(BUILD)/test/threads-x86_64.bundle
