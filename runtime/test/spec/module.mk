# The specification suites; README.md says how an engine joins.
SPEC_RUNNER_SRC := $(addprefix runtime/test/spec/,expect.c json.c runner.c values.c)

HOST_TOOLS += spec_validate
spec_validate_HOST_SRC = runtime/test/spec/validate.c $(SPEC_RUNNER_SRC) $(RUNTIME_WASM_SRC)
spec_validate_HOST_CFLAGS = $(SANITIZE)

TEST_SCRIPTS += runtime/test/spec/run
