# engine/paint/test: display lists of small pages.
UNIT_TESTS += engine_paint
engine_paint_TEST_SRC = engine/paint/test/test_paint.c $(ENGINE_FUZZ_HOST_SRC) $(ENGINE_SRC)
engine_paint_TEST_CFLAGS = $(ENGINE_NATIVE_CFLAGS)
engine_paint_TEST_LIBS = $(ENGINE_LIBS)
engine_paint_TEST_DEPS = $(FONT_DIR_READY)
engine_paint_TEST_LDFLAGS = -lm
