TEST_SCRIPTS += tests/qemu/page.sh
