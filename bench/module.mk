# make bench [RUNS=N]: measurements as tables, and as build/bench/*.json. Speed fails no test.
bench: all $(BUILD)/tools/testserver | $(SYSTEM_RUN_READY)
	$(Q)bench/boot $(RUNS)
	$(Q)bench/memory
	$(Q)bench/render $(RUNS)
