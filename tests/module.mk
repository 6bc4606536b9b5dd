TEST_SCRIPTS += tests/include-check

HOST_TOOLS += pixels
pixels_HOST_SRC := tests/pixels/main.c
pixels_HOST_CFLAGS := $(LIBPNG_NATIVE_CFLAGS) $(ZLIB_NATIVE_CFLAGS)
pixels_HOST_LDFLAGS := $(LIBPNG_NATIVE_LIB) $(ZLIB_NATIVE_LIB) -lm
pixels_HOST_DEPS := $(LIBPNG_NATIVE_LIB) $(ZLIB_NATIVE_LIB)

HOST_TOOLS += monitor
monitor_HOST_SRC := tests/e2e/monitor.c tools/kpio/child.c tools/kpio/deflate.c tools/kpio/file.c \
    tools/kpio/png.c tools/kpio/ppm.c tools/kpio/qmp.c
