# The browser's window frame. Everything but main.c is also tested natively.
SHELL_PURE := $(addprefix shell/,history.c html.c keymap.c line_edit.c pages.c scroll.c \
    tab_message.c toolbar.c url_fixup.c)
SHELL_CORE := $(SHELL_PURE) $(addprefix shell/,display_client.c dump.c input.c link.c page.c \
    shell.c tab_view.c toolbar_view.c)

PROGRAMS += shell
shell_SRC := shell/main.c $(SHELL_CORE)
shell_MEMORY := 64
shell_SPLIT := 2

UNIT_TESTS += shell shell_parts shell_tab_message
shell_TEST_SRC := shell/test/test_shell.c shell/test/fake_kernel.c $(SHELL_CORE) \
    $(addprefix runtime/program/,loop.c message.c)
shell_parts_TEST_SRC := shell/test/test_parts.c $(SHELL_PURE)
shell_tab_message_TEST_SRC := shell/test/test_tab_message.c shell/tab_message.c

FUZZ_TARGETS += shell_tab_message
shell_tab_message_FUZZ_SRC := shell/fuzz/fuzz_tab_message.c $(SHELL_PURE)
shell_tab_message_FUZZ_CORPUS := shell/fuzz/tab_message_seeds

FUZZ_TARGETS += shell
shell_FUZZ_SRC := shell/fuzz/fuzz_shell.c shell/test/fake_kernel.c $(SHELL_CORE) \
    $(addprefix runtime/program/,loop.c message.c)
shell_FUZZ_CORPUS := shell/fuzz/shell_seeds

