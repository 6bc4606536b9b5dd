# kpio wasm from outside: run.
COMMAND_LINE_PROBE := $(BUILD)/test/command-line/probe.wasm
$(COMMAND_LINE_PROBE): runtime/test/command-line/probe.c | $(WASM_READY)
	$(call say,WASM,$<)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -std=c17 -Wall -Wextra -Werror $< -o $@
test: $(COMMAND_LINE_PROBE)
TEST_SCRIPTS += runtime/test/command-line/run
