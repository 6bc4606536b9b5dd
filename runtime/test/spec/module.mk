# The specification suites; README.md says how an engine joins.
SPEC_RUNNER_ANY_SRC := $(addprefix runtime/test/spec/,expect.c json.c runner.c values.c)
SPEC_RUNNER_SRC := $(SPEC_RUNNER_ANY_SRC) runtime/test/spec/files_linux.c

HOST_TOOLS += spec_validate
spec_validate_HOST_SRC = runtime/test/spec/validate.c $(SPEC_RUNNER_SRC) $(RUNTIME_WASM_SRC)
spec_validate_HOST_CFLAGS = $(SANITIZE)

TEST_SCRIPTS += runtime/test/spec/run

# On KPIO itself: kpio.sh makes a boot archive of its own, of this program and a suite.
spec_kpio_SRC = $(addprefix runtime/test/spec/,kpio.c kpio_compile.c files_archive.c) \
    $(COMPILER_OBTAINED_SRC) $(SPEC_RUNNER_ANY_SRC) \
    runtime/interpret/test/interpreted_tier.c runtime/instance/test/spec_store.c $(RUNTIME_INTERPRET_SRC) \
    $(RUNTIME_INSTANCE_KPIO_SRC) $(RUNTIME_WASM_SRC)
spec_kpio_STACK := 4
spec_kpio_HEAP := 192
OTHER_NATIVE_PROGRAMS += spec_kpio
test: $(foreach machine,x86_64 hosted,$(BUILD)/image/$(machine)/spec_kpio.kpi $(BUILD)/image/$(machine)/compiler.kpi)
TEST_SCRIPTS += runtime/test/spec/kpio.sh
# The same by itself: every engine and suite in QEMU.
.PHONY: test-wasm-qemu
test-wasm-qemu: $(BUILD)/x86_64/kpio.elf $(BUILD)/image/x86_64/spec_kpio.kpi $(BUILD)/image/x86_64/compiler.kpi $(BUILD)/tools/bundle
	$(Q)KPIO_SPEC_MACHINES=qemu runtime/test/spec/kpio.sh
