# The kpio command (linked with the hosted kernel into build/kpio) and its tests.
HOSTED_SRC += tools/kpio/deflate.c tools/kpio/file.c tools/kpio/png.c

UNIT_TESTS += png
png_TEST_SRC := tools/kpio/test/test_png.c tools/kpio/png.c tools/kpio/deflate.c tools/kpio/file.c
png_TEST_LIBS := libpng zlib
png_TEST_LDFLAGS := -lm
