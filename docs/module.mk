# The pictures of README.md, taken from the running system.
screenshots: all $(BUILD)/tools/testserver | $(SYSTEM_RUN_READY)
	$(Q)docs/screenshots/take $(BUILD)
