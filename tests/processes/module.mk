# Programs that are several processes, on both machines: one program is the "shell" of a boot archive of its own and the "tab"
# that it makes its children of.
program_processes_SRC := $(addprefix tests/processes/,main.c inheritance.c statistics.c files.c)
program_processes_SPLIT := 2
program_processes_MEMORY := 64
program_processes_THREADS := y
$(eval $(call KP_PROGRAM,program_processes))

# $(call PROGRAM_PROCESSES_BUNDLE,machine,file)
define PROGRAM_PROCESSES_BUNDLE
$(2): $(BUILD)/tools/bundle $(BUILD)/image/$(1)/program_processes.kpi
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ programs/shell.kpi=$(BUILD)/image/$(1)/program_processes.kpi \
	    programs/tab.kpi=$(BUILD)/image/$(1)/program_processes.kpi \
	    symbols/tab.sym=$(BUILD)/image/$(1)/program_processes.sym
endef
$(eval $(call PROGRAM_PROCESSES_BUNDLE,hosted,$(BUILD)/test/processes-hosted.bundle))
$(eval $(call PROGRAM_PROCESSES_BUNDLE,x86_64,$(BUILD)/test/processes-x86_64.bundle))

TEST_SCRIPTS += tests/processes/run.sh
test: $(BUILD)/tools/hostile-hosted $(BUILD)/test/processes-hosted.bundle $(BUILD)/test/processes-x86_64.bundle
