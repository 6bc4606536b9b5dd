# End to end: the hosted command, and the system in QEMU as a user has it.
TEST_SCRIPTS += $(addprefix tests/e2e/,hosted.sh qemu.sh shell.sh bad-input.sh restart.sh corpora.sh trace.sh)
test: $(addprefix $(BUILD)/tools/,monitor pixels testserver)
