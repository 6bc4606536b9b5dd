# Programs that try the runtime and both machines out; they are in no boot archive but the test's own.
RUNTIME_TEST_PROGRAMS := test_hello
test_hello_SRC := runtime/test/hello.c

$(foreach program,$(RUNTIME_TEST_PROGRAMS),$(eval $(call KP_PROGRAM,$(program))))
