# Generated modules, for comparing tiers: a tier pair links DIFFERENTIAL_SRC with its engines.
DIFFERENTIAL_GENERATOR_SRC := $(addprefix runtime/test/differential/,code.c code_control.c code_memory.c generator.c)
DIFFERENTIAL_SRC := runtime/test/differential/differential.c $(DIFFERENTIAL_GENERATOR_SRC)

# wasm-generate FIRST COUNT [DIRECTORY]: writes them, or checks that they are valid
HOST_TOOLS += wasm-generate
wasm-generate_HOST_SRC = runtime/test/differential/generate.c $(DIFFERENTIAL_GENERATOR_SRC) \
    $(RUNTIME_WASM_SRC)
wasm-generate_HOST_CFLAGS = $(SANITIZE)

TEST_SCRIPTS += runtime/test/differential/run

# wasm2c as a third engine: the script wasm2c.
HOST_TOOLS += wasm2c-glue wasm2c-compare
wasm2c-glue_HOST_SRC = $(addprefix runtime/test/differential/,wasm2c_glue.c wasm2c_glue_main.c) \
    $(DIFFERENTIAL_GENERATOR_SRC) $(RUNTIME_WASM_SRC)
wasm2c-compare_HOST_SRC = $(addprefix runtime/test/differential/,wasm2c_compare.c wasm2c_engine.c) \
    $(sort $(INTERPRETED_TIER_SRC) $(COMPILED_TIER_SRC)) $(DIFFERENTIAL_SRC)
wasm2c-compare_HOST_LDFLAGS := -pthread -ldl

# The same, fast: libtcc in place of a C compiler, one process of wasm2c for many modules (its main in a loop).
HOST_TOOLS += three-engines wasm2c-server.so
three-engines_HOST_SRC = $(addprefix runtime/test/differential/,three_engines.c three_batch.c census.c \
    wasm2c_engine.c wasm2c_glue.c wasm2c_runtime.c wasm2c_tcc.c wasm2c_translate.c) \
    $(sort $(INTERPRETED_TIER_SRC) $(COMPILED_TIER_SRC)) $(DIFFERENTIAL_SRC)
three-engines_HOST_CFLAGS = -isystem $(WASM_RT_INCLUDE) $(LIBTCC_NATIVE_CFLAGS) -DWASM_RT_USE_MMAP=0 \
    -DWASM_RT_MEMCHECK_BOUNDS_CHECK=1 -DWASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION=1
three-engines_HOST_LDFLAGS = $(LIBTCC_NATIVE_LIB) -pthread -ldl -lm
three-engines_HOST_DEPS = $(WASM2C_READY) $(LIBTCC_NATIVE_LIB)
wasm2c-server.so_HOST_SRC = runtime/test/differential/wasm2c_server.c
wasm2c-server.so_HOST_CFLAGS = -fPIC
wasm2c-server.so_HOST_LDFLAGS = -shared

# Modules by another generator: the script binaryen.
HOST_TOOLS += binaryen-compare
binaryen-compare_HOST_SRC = runtime/test/differential/binaryen_compare.c \
    $(sort $(INTERPRETED_TIER_SRC) $(COMPILED_TIER_SRC))
binaryen-compare_HOST_LDFLAGS := -pthread
