HOST_TOOLS += qmp
qmp_HOST_SRC := tests/qemu/qmp.c $(addprefix tools/kpio/,child.c deflate.c file.c png.c ppm.c qmp.c)

TEST_SCRIPTS += tests/qemu/page.sh tests/qemu/interact.sh
test: $(BUILD)/tools/qmp
