TEST_SCRIPTS += tests/qemu/page.sh tests/qemu/disc.sh
