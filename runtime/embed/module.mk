# The embedding: see README.md. Everything that runs WebAssembly on Linux, as one list.
RUNTIME_EMBED_SRC := $(addprefix runtime/embed/,wasi_link.c)
RUNTIME_ALL = $(sort $(RUNTIME_EMBED_SRC) $(RUNTIME_COMPILED) $(RUNTIME_INTERPRETED) $(WASI_LINUX_SRC))
