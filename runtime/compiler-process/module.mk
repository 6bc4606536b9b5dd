# The compiler in a process of its own, in parallel, lazily: see README.md.
COMPILER_PARALLEL_SRC := runtime/compiler-process/parallel.c

UNIT_TESTS += compiler_parallel
compiler_parallel_TEST_SRC = runtime/compiler-process/test/parallel.c $(COMPILER_PARALLEL_SRC) $(RUNTIME_COMPILED)
compiler_parallel_TEST_LDFLAGS := -pthread
