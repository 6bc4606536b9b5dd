# The embedding: see README.md. Everything that runs WebAssembly on Linux, as one list.
RUNTIME_EMBED_SRC := $(addprefix runtime/embed/,wasi_link.c)
RUNTIME_ALL = $(sort $(RUNTIME_EMBED_SRC) $(RUNTIME_COMPILED) $(COMPILER_OBTAIN_SRC) $(RUNTIME_INTERPRETED) $(WASI_LINUX_SRC))
RUNTIME_API_ONLY := $(addprefix runtime/embed/,wasm_extern.c wasm_module.c wasm_ref.c wasm_type.c)
RUNTIME_API_SRC := $(RUNTIME_API_ONLY) runtime/embed/compiler.c
# The same without compiler and cache.
RUNTIME_INTERPRET_ONLY = $(sort $(RUNTIME_API_ONLY) runtime/embed/no_compiler.c $(RUNTIME_EMBED_SRC) $(RUNTIME_INTERPRETED) $(WASI_LINUX_SRC))

# The library for other programs: wasm.h, kpwasm.h, runtime/wasi/*.h. Link with -pthread.
libkpwasm_objects = $(addprefix $(BUILD)/hosted/,$(addsuffix .o,$(basename $(RUNTIME_ALL) $(RUNTIME_API_SRC))))
$(BUILD)/libkpwasm.a: $$(libkpwasm_objects)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
libkpwasm_interpret_objects = $(addprefix $(BUILD)/hosted/,$(addsuffix .o,$(basename $(RUNTIME_INTERPRET_ONLY))))
$(BUILD)/libkpwasm-interpret.a: $$(libkpwasm_interpret_objects)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
.PHONY: libkpwasm
libkpwasm: $(BUILD)/libkpwasm.a $(BUILD)/libkpwasm-interpret.a

TEST_SCRIPTS += runtime/embed/test/size
test: $(BUILD)/libkpwasm-interpret.a

UNIT_TESTS += wasm_embed
wasm_embed_TEST_SRC = runtime/embed/test/embed.c $(RUNTIME_API_SRC) $(RUNTIME_ALL)
wasm_embed_TEST_LDFLAGS := -pthread
UNIT_TESTS += wasm_embed_examples
wasm_embed_examples_TEST_SRC = runtime/embed/test/examples.c $(RUNTIME_API_SRC) $(RUNTIME_ALL)
wasm_embed_examples_TEST_LDFLAGS := -pthread
UNIT_TESTS += wasm_embed_interpret
wasm_embed_interpret_TEST_SRC = runtime/embed/test/examples.c $(RUNTIME_INTERPRET_ONLY)
wasm_embed_interpret_TEST_LDFLAGS := -pthread

UNIT_TESTS += wasm_embed_memory
wasm_embed_memory_TEST_SRC = runtime/embed/test/memory.c $(RUNTIME_API_SRC) $(RUNTIME_ALL)
wasm_embed_memory_TEST_LDFLAGS := -pthread -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
