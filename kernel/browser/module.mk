KERNEL_SRC += kernel/browser/coordinator.c

# Who gets the processor: a boot archive whose shell and tab are the test's (one packed, to see that it runs).
roles_shell_SRC := kernel/browser/test/roles_shell.c
roles_shell_MEMORY := 16
roles_tab_SRC := kernel/browser/test/roles_tab.c
roles_tab_MEMORY := 16
OTHER_PROGRAMS += roles_shell roles_tab
$(BUILD)/test/roles.bundle: $(BUILD)/tools/bundle $(BUILD)/image/x86_64/roles_shell.kpi $(BUILD)/image/x86_64/roles_tab.kpi
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ -z programs/tab programs/shell.kpi=$(BUILD)/image/x86_64/roles_shell.kpi \
	    programs/tab.kpi=$(BUILD)/image/x86_64/roles_tab.kpi
TEST_SCRIPTS += kernel/browser/test/run.sh
test: $(BUILD)/test/roles.bundle
