# The compiler: see README.md. Users add $(RUNTIME_COMPILE_SRC), $(RUNTIME_INSTANCE_SRC) and
# $(RUNTIME_WASM_SRC); link with -pthread.
RUNTIME_COMPILE_SRC := $(addprefix runtime/compile/,asm.c atomic.c bulk.c call.c code.c compile.c \
    control.c convert.c exception.c float.c integer.c locals.c memory.c simd.c stack.c variable.c)
RUNTIME_COMPILED = $(RUNTIME_COMPILE_SRC) $(RUNTIME_INSTANCE_SRC) $(RUNTIME_WASM_SRC)

