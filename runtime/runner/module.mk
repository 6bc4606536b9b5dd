# wasm-runner: users' programs on KPIO. See README.md.
wasm-runner_SRC = $(addprefix runtime/runner/,main.c input.c options.c load.c run.c) runtime/embed/wasi_link.c \
    $(COMPILER_OBTAINED_SRC) $(RUNTIME_INTERPRET_SRC) $(RUNTIME_INSTANCE_KPIO_SRC) \
    $(RUNTIME_WASM_SRC) $(WASI_KPIO_SRC)
wasm-runner_STACK := 8
wasm-runner_HEAP := 160
NATIVE_PROGRAMS += wasm-runner

# A program of a user: plain WASI, not KPIO's own libc glue.
$(BUILD)/test/runner.wasm: runtime/runner/test/program.c | $$(WASM_READY)
	$(call say,WASMCC,$<)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -std=gnu17 -O1 -Wno-unused-command-line-argument $(WASM_LDFLAGS) $< -o $@
test: $(BUILD)/test/runner.wasm
TEST_SCRIPTS += runtime/runner/test/runner.sh runtime/runner/test/real-programs
