# engine/tab/test: frames and messages of the tab program, with a played kernel.
UNIT_TESTS += tab_frames
tab_frames_TEST_SRC := engine/tab/test/test_frames.c \
    $(addprefix engine/tab/,frames.c outbox.c resources.c) $(addprefix runtime/program/,loop.c message.c vmo.c)
