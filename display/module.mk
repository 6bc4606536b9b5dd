# display: the painter (a portable library) and the display service. May include: abi, runtime/program.
PAINTER_SRC := $(addprefix display/painter/,border.c check.c gradient.c image.c paint.c round.c row.c \
    scene.c)
COMPOSITOR_SRC := display/compositor.c display/damage.c $(PAINTER_SRC)

PROGRAMS += display
DISPLAY_SRC := $(addprefix display/,client.c input.c screen.c service.c surface.c) $(COMPOSITOR_SRC)
display_SRC := display/main.c $(DISPLAY_SRC)
display_MEMORY := 2048

UNIT_TESTS += painter scene compositor display
display_TEST_SRC := display/test/test_display.c display/test/fake_kernel.c $(DISPLAY_SRC) \
    $(addprefix runtime/program/,loop.c message.c vmo.c)
display_TEST_LDFLAGS := -lm
painter_TEST_SRC := display/test/test_painter.c $(PAINTER_SRC)
painter_TEST_LDFLAGS := -lm
scene_TEST_SRC := display/test/test_scene.c $(PAINTER_SRC)
scene_TEST_LDFLAGS := -lm
compositor_TEST_SRC := display/test/test_compositor.c $(COMPOSITOR_SRC)
compositor_TEST_LDFLAGS := -lm

FUZZ_TARGETS += display-list
display-list_FUZZ_SRC := display/fuzz/display_list.c $(PAINTER_SRC)
display-list_FUZZ_CORPUS := display/fuzz/display-list
display-list_FUZZ_LDFLAGS := -lm

FUZZ_TARGETS += display-client
display-client_FUZZ_SRC := display/fuzz/display_client.c display/test/fake_kernel.c $(DISPLAY_SRC) \
    $(addprefix runtime/program/,loop.c message.c vmo.c)
display-client_FUZZ_CORPUS := display/fuzz/display-client
display-client_FUZZ_LDFLAGS := -lm
