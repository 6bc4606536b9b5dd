# The compiler in a process of its own, in parallel, lazily: see README.md.
COMPILER_PARALLEL_SRC := runtime/compiler-process/parallel.c

UNIT_TESTS += compiler_parallel
compiler_parallel_TEST_SRC = runtime/compiler-process/test/parallel.c $(COMPILER_PARALLEL_SRC) $(RUNTIME_COMPILED)
compiler_parallel_TEST_LDFLAGS := -pthread

# The process, and the side that starts it; whoever links the latter carries the former inside.
HOST_TOOLS += wasm_compiler
wasm_compiler_HOST_SRC = $(addprefix runtime/compiler-process/,memory.c process.c receive.c sandbox.c) $(COMPILER_PARALLEL_SRC) \
    $(RUNTIME_COMPILED)
wasm_compiler_HOST_CFLAGS := -fPIE -fstack-protector-strong -ffunction-sections
wasm_compiler_HOST_LDFLAGS := -static-pie -pthread -Wl,--gc-sections -s
COMPILER_CLIENT_SRC := $(addprefix runtime/compiler-process/,client.c image.S) $(COMPILER_PARALLEL_SRC)
# All of it: the cache, the process, lazy and parallel compilation.
COMPILER_OBTAIN_SRC = runtime/compile/lazy.c $(addprefix runtime/compiler-process/,keep.c obtain.c) $(COMPILER_CLIENT_SRC) $(CACHE_SRC)
# image.S holds a program that is built before it, whoever links it: $(call COMPILER_IMAGE,kind,program,sources).
COMPILER_IMAGE = $(if $(filter %/compiler-process/image.S,$(3)),$(eval \
    $(BUILD)/obj/$(1)/$(2)/runtime/compiler-process/image.o: $(BUILD)/tools/wasm_compiler))
$(BUILD)/hosted/runtime/compiler-process/image.o: $(BUILD)/tools/wasm_compiler

UNIT_TESTS += compiler_process
compiler_process_TEST_SRC = runtime/compiler-process/test/process.c $(addprefix runtime/compiler-process/,memory.c sandbox.c) $(COMPILER_CLIENT_SRC) $(RUNTIME_COMPILED)
compiler_process_TEST_LDFLAGS := -pthread

# The specification suites: one program that does what its name says.
HOST_TOOLS += spec_lazy
spec_lazy_HOST_SRC = runtime/compiler-process/test/spec.c runtime/instance/test/spec_store.c $(SPEC_RUNNER_SRC) \
    $(COMPILER_OBTAIN_SRC) $(RUNTIME_COMPILED)
spec_lazy_HOST_CFLAGS = $(SANITIZE)
spec_lazy_HOST_LDFLAGS := -pthread
$(BUILD)/tools/spec_parts $(BUILD)/tools/spec_process: $(BUILD)/tools/spec_lazy
	$(Q)ln -sf spec_lazy $@
test: $(BUILD)/tools/spec_parts $(BUILD)/tools/spec_process
TEST_SCRIPTS += runtime/compiler-process/test/command-line

UNIT_TESTS += compiler_lazy
compiler_lazy_TEST_SRC = runtime/compiler-process/test/lazy.c $(COMPILER_OBTAIN_SRC) $(RUNTIME_COMPILED)
compiler_lazy_TEST_LDFLAGS := -pthread

HOST_TOOLS += wasm_liar
wasm_liar_HOST_SRC := $(addprefix runtime/compiler-process/,test/liar.c receive.c)
wasm_liar_HOST_LDFLAGS := -static
UNIT_TESTS += compiler_liar
compiler_liar_TEST_SRC = $(addprefix runtime/compiler-process/,test/host.c test/liar_image.S client.c) $(RUNTIME_COMPILED)
compiler_liar_TEST_LDFLAGS := -pthread
$(BUILD)/obj/test/compiler_liar/runtime/compiler-process/test/liar_image.o: $(BUILD)/tools/wasm_liar
