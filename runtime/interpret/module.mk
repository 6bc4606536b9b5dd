# The interpreter: see README.md. Users add $(RUNTIME_INTERPRETED); link with -pthread.
RUNTIME_INTERPRET_SRC := $(addprefix runtime/interpret/,atomic.c run.c tier.c translate.c \
    translate_control.c translate_operator.c translate_stack.c vector.c vector_float.c)
RUNTIME_INTERPRETED = $(RUNTIME_INTERPRET_SRC) $(RUNTIME_INSTANCE_SRC) $(RUNTIME_WASM_SRC)

HOST_TOOLS += spec_interpret
spec_interpret_HOST_SRC = runtime/interpret/test/spec.c runtime/instance/test/spec_store.c \
    $(SPEC_RUNNER_SRC) $(RUNTIME_INTERPRETED)
spec_interpret_HOST_CFLAGS = $(SANITIZE)
spec_interpret_HOST_LDFLAGS = -pthread
