# WASI preview 1 for programs that run in runtime/ (run-time path); the same functions over any host.
WASI_SRC := $(addprefix runtime/wasi/,wasi.c descriptor.c fd.c path.c poll.c)
WASI_LINUX_SRC := $(WASI_SRC) $(addprefix runtime/wasi/,linux.c linux_path.c)
UNIT_TESTS += wasi
wasi_TEST_SRC = runtime/wasi/test/test_wasi.c $(WASI_LINUX_SRC)
