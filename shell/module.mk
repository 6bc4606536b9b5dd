# The browser's window frame. Everything but main.c is also tested natively.
SHELL_PURE := $(addprefix shell/,history.c html.c keymap.c line_edit.c pages.c scroll.c \
    tab_message.c toolbar.c url_fixup.c)
SHELL_CORE := $(SHELL_PURE) $(addprefix shell/,display_client.c dump.c input.c link.c page.c \
    shell.c tab_view.c toolbar_view.c)

PROGRAMS += shell
shell_SRC := shell/main.c $(SHELL_CORE)
shell_MEMORY := 64
shell_SPLIT := 2
