# The boot archive packer (host tool) and its test.
HOST_TOOLS += bundle
bundle_HOST_SRC := tools/bundle/main.c tools/bundle/pack.c

UNIT_TESTS += bundle
bundle_TEST_SRC := tools/bundle/test/test_bundle.c tools/bundle/pack.c
