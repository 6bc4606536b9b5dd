# Compiled modules on disk.
CACHE_SRC := $(addprefix runtime/cache/,cache.c poly1305.c poly1305_avx2.c sha256.c)
UNIT_TESTS += code_cache
code_cache_TEST_SRC = runtime/cache/test/test_cache.c $(CACHE_SRC)
