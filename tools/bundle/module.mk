# The boot archive packer (host tool) and its test.
HOST_TOOLS += bundle
bundle_HOST_SRC := $(addprefix tools/bundle/,main.c pack.c squeeze.c)

UNIT_TESTS += bundle
bundle_TEST_SRC := $(addprefix tools/bundle/,test/test_bundle.c pack.c squeeze.c) kernel/init/unpack.c
