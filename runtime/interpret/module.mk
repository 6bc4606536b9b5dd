# The interpreter: see README.md. Users add $(RUNTIME_INTERPRETED); link with -pthread.
RUNTIME_INTERPRET_SRC := $(addprefix runtime/interpret/,atomic.c run.c tier.c translate.c \
    translate_control.c translate_operator.c translate_stack.c vector.c vector_float.c)
RUNTIME_INTERPRETED = $(RUNTIME_INTERPRET_SRC) $(RUNTIME_INSTANCE_SRC) $(RUNTIME_WASM_SRC)

# The tier for test programs that run several.
INTERPRETED_TIER_SRC = runtime/interpret/test/interpreted_tier.c runtime/instance/test/spec_store.c \
    $(RUNTIME_INTERPRETED)

HOST_TOOLS += spec_interpret
spec_interpret_HOST_SRC = runtime/interpret/test/spec.c $(INTERPRETED_TIER_SRC) $(SPEC_RUNNER_SRC)
spec_interpret_HOST_CFLAGS = $(SANITIZE)
spec_interpret_HOST_LDFLAGS := -pthread

# Interpreted against compiled, on generated modules. Without sanitizers: the issue's million is run by it.
HOST_TOOLS += differential_interpret_compile
differential_interpret_compile_HOST_SRC = runtime/interpret/test/differential.c \
    $(sort $(INTERPRETED_TIER_SRC) $(COMPILED_TIER_SRC)) $(DIFFERENTIAL_SRC)
differential_interpret_compile_HOST_LDFLAGS := -pthread

UNIT_TESTS += wasm_interpret
wasm_interpret_TEST_SRC = runtime/interpret/test/interpret.c $(DIFFERENTIAL_GENERATOR_SRC) \
    $(RUNTIME_INTERPRETED)
wasm_interpret_TEST_LDFLAGS := -pthread

FUZZ_TARGETS += wasm_interpret
wasm_interpret_FUZZ_SRC = runtime/interpret/fuzz/run.c $(RUNTIME_INTERPRETED)
wasm_interpret_FUZZ_LDFLAGS := -pthread
wasm_interpret_FUZZ_CORPUS := runtime/wasm/fuzz/seeds
