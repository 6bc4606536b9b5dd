# The store: see README.md. Users add $(RUNTIME_INSTANCE_SRC) and runtime/wasm's sources; link with -pthread.
RUNTIME_INSTANCE_SRC := $(addprefix runtime/instance/,store.c memory.c table.c instance.c call.c code.c \
    exception.c text.c x86_64.c x86_64_border.S linux.c)

# The same in a native program of KPIO (runtime/native).
RUNTIME_INSTANCE_KPIO_SRC := $(filter-out %/linux.c,$(RUNTIME_INSTANCE_SRC)) runtime/instance/kpio.c \
    runtime/instance/kpio_border.S

UNIT_TESTS += wasm_exceptions
wasm_exceptions_TEST_SRC = runtime/instance/test/exceptions.c \
    $(sort $(INTERPRETED_TIER_SRC) $(COMPILED_TIER_SRC))
wasm_exceptions_TEST_LDFLAGS := -pthread

UNIT_TESTS += wasm_tail_calls
wasm_tail_calls_TEST_SRC = runtime/instance/test/tail_calls.c \
    $(sort $(INTERPRETED_TIER_SRC) $(COMPILED_TIER_SRC))
wasm_tail_calls_TEST_LDFLAGS := -pthread

# Guest memories on KPIO: a native program in wasm-runner's place, with the compiler service; guest.sh makes the
# boot archives.
guest_test_SRC = runtime/instance/test/guest_test.c runtime/compile/code.c services/compiler/client.c \
    $(RUNTIME_INSTANCE_KPIO_SRC) $(RUNTIME_WASM_SRC)
guest_test_HEAP := 32
OTHER_NATIVE_PROGRAMS += guest_test
test: $(foreach machine,x86_64 hosted,$(BUILD)/image/$(machine)/guest_test.kpi $(BUILD)/image/$(machine)/compiler.kpi)
TEST_SCRIPTS += runtime/instance/test/guest.sh
