# The compiler: see README.md. Users add $(RUNTIME_COMPILE_SRC), $(RUNTIME_INSTANCE_SRC) and
# $(RUNTIME_WASM_SRC); link with -pthread.
RUNTIME_COMPILE_SRC := $(addprefix runtime/compile/,artefact.c asm.c atomic.c bulk.c call.c code.c compile.c \
    control.c convert.c exception.c float.c integer.c locals.c memory.c simd.c simd_convert.c simd_lanes.c simd_memory.c split.c stack.c variable.c work.c)
RUNTIME_COMPILED = $(RUNTIME_COMPILE_SRC) $(RUNTIME_INSTANCE_SRC) $(RUNTIME_WASM_SRC)

HOST_TOOLS += spec_compile spec_compile_checked
# The tier for test programs that run several.
COMPILED_TIER_SRC = runtime/compile/test/compiled_tier.c runtime/instance/test/spec_store.c \
    $(RUNTIME_COMPILED)
SPEC_COMPILE_SRC = runtime/compile/test/spec.c $(COMPILED_TIER_SRC) $(SPEC_RUNNER_SRC)
spec_compile_HOST_SRC = $(SPEC_COMPILE_SRC)
spec_compile_HOST_CFLAGS = $(SANITIZE)
spec_compile_HOST_LDFLAGS := -pthread
spec_compile_checked_HOST_SRC = $(SPEC_COMPILE_SRC)
spec_compile_checked_HOST_CFLAGS = $(SANITIZE) -DSPEC_CHECKED
spec_compile_checked_HOST_LDFLAGS := -pthread

# Guarded against checked, on generated modules.
HOST_TOOLS += differential_compile_checked
differential_compile_checked_HOST_SRC = runtime/compile/test/differential.c $(COMPILED_TIER_SRC) \
    $(DIFFERENTIAL_SRC)
differential_compile_checked_HOST_CFLAGS = $(SANITIZE)
differential_compile_checked_HOST_LDFLAGS := -pthread

UNIT_TESTS += wasm_compile
wasm_compile_TEST_SRC = runtime/compile/test/compile.c $(RUNTIME_COMPILED)
wasm_compile_TEST_LDFLAGS := -pthread

# The assembler against binutils.
HOST_TOOLS += asm_encodings
asm_encodings_HOST_SRC := runtime/compile/test/encodings.c runtime/compile/asm.c
TEST_SCRIPTS += runtime/compile/test/encodings

FUZZ_TARGETS += wasm_compile
wasm_compile_FUZZ_SRC = runtime/compile/test/fuzz_compile.c $(RUNTIME_COMPILED)
wasm_compile_FUZZ_CORPUS := runtime/compile/test/corpus
wasm_compile_FUZZ_LDFLAGS := -pthread
