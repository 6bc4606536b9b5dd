# The pictures of README.md, taken from the running system.
screenshots: all $(BUILD)/tools/testserver | $(SYSTEM_RUN_READY)
	$(Q)docs/screenshots/take $(BUILD)

# The reference of the system calls, from abi/calls.def.
HOST_TOOLS += calls_page
calls_page_HOST_SRC := docs/calls.c
TEST_SCRIPTS += docs/calls-check
.PHONY: docs/calls.md
docs/calls.md: $(BUILD)/tools/calls_page
	$(Q)$< > $@.new && mv $@.new $@
