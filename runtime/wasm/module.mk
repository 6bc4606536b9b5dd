# The WebAssembly front end: portable C, for every tier and tool that reads modules.
RUNTIME_WASM_SRC := $(addprefix runtime/wasm/,body.c body_control.c body_rules.c body_state.c \
    constant.c error.c module.c opcode.c reader.c sections.c segments.c)

# wasm-validate-bench MODULE...: validation in MB/s
HOST_TOOLS += wasm-validate-bench
wasm-validate-bench_HOST_SRC = runtime/wasm/tool/validate_bench.c $(RUNTIME_WASM_SRC)

UNIT_TESTS += wasm_front
wasm_front_TEST_SRC = $(addprefix runtime/wasm/test/,front.c everything.c) $(RUNTIME_WASM_SRC)

UNIT_TESTS += wasm_visit
wasm_visit_TEST_SRC = runtime/wasm/test/visit.c $(RUNTIME_WASM_SRC)

UNIT_TESTS += wasm_limits
wasm_limits_TEST_SRC = $(addprefix runtime/wasm/test/,limits.c everything.c) $(RUNTIME_WASM_SRC)

FUZZ_TARGETS += wasm_validate
wasm_validate_FUZZ_SRC = runtime/wasm/fuzz/validate.c $(RUNTIME_WASM_SRC)
wasm_validate_FUZZ_CORPUS := runtime/wasm/fuzz/seeds

# wasm-verdict: many verdicts in one run, for test/compare-v8
HOST_TOOLS += wasm-verdict
wasm-verdict_HOST_SRC = runtime/wasm/tool/verdict.c $(RUNTIME_WASM_SRC)
