# wasm-runner: users' programs on KPIO. See README.md.
wasm-runner_SRC = $(addprefix runtime/runner/,main.c options.c load.c run.c) runtime/embed/wasi_link.c \
    runtime/compile/code.c services/compiler/client.c $(RUNTIME_INTERPRET_SRC) $(RUNTIME_INSTANCE_KPIO_SRC) \
    $(RUNTIME_WASM_SRC) $(WASI_KPIO_SRC)
wasm-runner_STACK := 8
wasm-runner_HEAP := 160
NATIVE_PROGRAMS += wasm-runner
