# Generated modules, for comparing tiers: a tier pair links DIFFERENTIAL_SRC with its engines.
DIFFERENTIAL_GENERATOR_SRC := $(addprefix runtime/test/differential/,code.c generator.c)
DIFFERENTIAL_SRC := runtime/test/differential/differential.c $(DIFFERENTIAL_GENERATOR_SRC)

# wasm-generate FIRST COUNT [DIRECTORY]: writes them, or checks that they are valid
HOST_TOOLS += wasm-generate
wasm-generate_HOST_SRC = runtime/test/differential/generate.c $(DIFFERENTIAL_GENERATOR_SRC) \
    $(RUNTIME_WASM_SRC)
wasm-generate_HOST_CFLAGS = $(SANITIZE)

TEST_SCRIPTS += runtime/test/differential/run

# wasm2c as a third engine: the script wasm2c.
HOST_TOOLS += wasm2c-glue wasm2c-compare
wasm2c-glue_HOST_SRC = runtime/test/differential/wasm2c_glue.c $(DIFFERENTIAL_GENERATOR_SRC) $(RUNTIME_WASM_SRC)
wasm2c-compare_HOST_SRC = runtime/test/differential/wasm2c_compare.c \
    $(sort $(INTERPRETED_TIER_SRC) $(COMPILED_TIER_SRC)) $(DIFFERENTIAL_SRC)
wasm2c-compare_HOST_LDFLAGS := -pthread -ldl

# Modules by another generator: the script binaryen.
HOST_TOOLS += binaryen-compare
binaryen-compare_HOST_SRC = runtime/test/differential/binaryen_compare.c \
    $(sort $(INTERPRETED_TIER_SRC) $(COMPILED_TIER_SRC))
binaryen-compare_HOST_LDFLAGS := -pthread
