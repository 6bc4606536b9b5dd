# Generated modules, for comparing tiers: a tier pair links DIFFERENTIAL_SRC with its engines.
DIFFERENTIAL_GENERATOR_SRC := $(addprefix runtime/test/differential/,code.c generator.c)
DIFFERENTIAL_SRC := runtime/test/differential/differential.c $(DIFFERENTIAL_GENERATOR_SRC)

# wasm-generate FIRST COUNT [DIRECTORY]: writes them, or checks that they are valid
HOST_TOOLS += wasm-generate
wasm-generate_HOST_SRC = runtime/test/differential/generate.c $(DIFFERENTIAL_GENERATOR_SRC) \
    $(RUNTIME_WASM_SRC)
wasm-generate_HOST_CFLAGS = $(SANITIZE)

TEST_SCRIPTS += runtime/test/differential/run
