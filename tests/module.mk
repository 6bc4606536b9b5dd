TEST_SCRIPTS += tests/include-check

HOST_TOOLS += pixels
pixels_HOST_SRC := tests/pixels/main.c
pixels_HOST_CFLAGS := $(LIBPNG_NATIVE_CFLAGS) $(ZLIB_NATIVE_CFLAGS)
pixels_HOST_LDFLAGS := $(LIBPNG_NATIVE_LIB) $(ZLIB_NATIVE_LIB) -lm
pixels_HOST_DEPS := $(LIBPNG_NATIVE_LIB) $(ZLIB_NATIVE_LIB)

HOST_TOOLS += monitor
monitor_HOST_SRC := tests/e2e/monitor.c tools/kpio/child.c tools/kpio/deflate.c tools/kpio/file.c \
    tools/kpio/png.c tools/kpio/ppm.c tools/kpio/qmp.c

# clang-format and clang-tidy; not part of `make test`, for it takes minutes the first time.
.PHONY: lint
# The thunks are gcc's; clang-tidy knows no such flags.
lint: export LINT_X86 = $(filter-out -MMD -MP -Wshadow=local -mindirect-branch%,$(X86_CFLAGS))
lint: export LINT_HOSTED = $(filter-out -MMD -MP -Wshadow=local,$(HOSTED_CFLAGS)) \
    $(LEXBOR_NATIVE_CFLAGS)
lint: export LINT_PROGRAM = -matomics $(filter-out -MMD -MP -Wshadow=local,$(PROGRAM_CFLAGS)) $(LINT_WASM_LIBS) \
    -isystem $(LWIP_SRC)/src/include -isystem $(LWIP_SRC)/src -Inetwork/netstack/port
lint: export LINT_IMAGE = $(filter-out -MMD -MP -Wshadow=local,$(IMAGE_CFLAGS))
lint: export LINT_NATIVE = $(subst $(NATIVE_COMPILER_HEADERS),$(shell $(WASM_CC) -print-file-name=include),$(filter-out -MMD -MP,$(NATIVE_CFLAGS))) \
    $(filter-out -Wshadow=local,$(WARNINGS))
LINT_PARTS := LEXBOR ZLIB LIBPNG FREETYPE HARFBUZZ LIBUNIBREAK LIBJPEG BROTLI CURL
LINT_WASM_LIBS = $(foreach part,$(LINT_PARTS),$($(part)_WASM_CFLAGS))
lint: $(DEPS_STAMP) | $(SYSTEM_LINT_READY)
	$(Q)tests/lint $(FILES)
