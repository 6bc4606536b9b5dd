# Tests of the network programs: the programs' code, lwIP and curl are the real ones; the kernel's
# calls are simulated (sim.c).
NETWORK_TEST_RUNTIME := $(addprefix runtime/program/,loop.c message.c ring.c vmo.c)

UNIT_TESTS += netstack
netstack_TEST_SRC := $(addprefix network/test/,netstack_test.c peer.c sim.c) $(NETSTACK_CORE) \
    $(NETWORK_TEST_RUNTIME)
netstack_TEST_CFLAGS := $(NETSTACK_CFLAGS)
netstack_TEST_DEPS := $(LWIP_SRC_READY)

# The http service through host sockets to the test server.
UNIT_TESTS += http
http_TEST_SRC := $(addprefix network/test/,http_test.c bridge.c sim.c) $(HTTP_CORE) \
    $(NETWORK_TEST_RUNTIME)
http_TEST_LIBS := curl zlib brotli
http_TEST_CFLAGS := -DKP_TESTSERVER='"$(BUILD)/tools/testserver"'
http_TEST_DEPS := $(BUILD)/tools/testserver
