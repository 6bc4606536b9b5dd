# Compiled modules on disk.
CODE_ENTRY_SRC := $(addprefix runtime/cache/,entry.c poly1305.c sha256.c) # on KPIO too
CACHE_SRC := $(addprefix runtime/cache/,cache.c poly1305_avx2.c) $(CODE_ENTRY_SRC)
UNIT_TESTS += code_cache
code_cache_TEST_SRC = runtime/cache/test/test_cache.c $(CACHE_SRC)
