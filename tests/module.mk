TEST_SCRIPTS += tests/include-check
