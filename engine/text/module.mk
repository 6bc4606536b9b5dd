# engine/text: fonts, shaping, breaking, glyph rasters. May include: abi, FreeType, HarfBuzz, libunibreak.
TEXT_LIBS := harfbuzz freetype libunibreak brotli zlib
TEXT_SRC := $(addprefix engine/text/,atlas.c breaks.c face.c face_names.c font.c fontset.c match.c \
    raster.c shape.c space_kerning.c utf8.c word_cache.c)

UNIT_TESTS += text
text_TEST_SRC := engine/text/test/test_text.c $(TEXT_SRC)
text_TEST_CFLAGS := -DKP_FONT_DIR='"$(FONT_DIR)"'
text_TEST_LIBS := $(TEXT_LIBS)
text_TEST_DEPS := $(FONT_DIR_READY)
text_TEST_LDFLAGS := -lm

FUZZ_TARGETS += text
text_FUZZ_SRC := engine/text/fuzz/fuzz_text.c $(TEXT_SRC)
text_FUZZ_CORPUS := engine/text/fuzz/corpus
text_FUZZ_LIBS := $(TEXT_LIBS)
text_FUZZ_LDFLAGS := -lm
