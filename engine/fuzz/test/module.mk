# engine/fuzz/test: pages made to be expensive.
UNIT_TESTS += engine_hostile
engine_hostile_TEST_SRC = engine/fuzz/test/test_hostile.c $(ENGINE_FUZZ_HOST_SRC) $(ENGINE_SRC)
engine_hostile_TEST_CFLAGS = $(ENGINE_NATIVE_CFLAGS) -fsanitize-coverage=trace-pc
engine_hostile_TEST_LIBS = $(ENGINE_LIBS)
engine_hostile_TEST_DEPS = $(FONT_DIR_READY)
engine_hostile_TEST_LDFLAGS = -lm
