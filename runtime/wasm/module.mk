# The WebAssembly front end: portable C, for every tier and tool that reads modules.
RUNTIME_WASM_SRC := $(addprefix runtime/wasm/,body.c body_control.c body_rules.c body_state.c \
    constant.c error.c module.c opcode.c reader.c sections.c segments.c)

# wasm-validate-bench MODULE...: validation in MB/s
HOST_TOOLS += wasm-validate-bench
wasm-validate-bench_HOST_SRC = runtime/wasm/tool/validate_bench.c $(RUNTIME_WASM_SRC)
