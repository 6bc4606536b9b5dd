# The tab program. ENGINE_SRC and ENGINE_LIBS (everything behind engine.h) come from engine/module.mk.
PROGRAMS += tab
tab_SRC = $(sort $(wildcard engine/tab/*.c)) $(ENGINE_SRC)
tab_LIBS = $(ENGINE_LIBS)
tab_SPLIT := 8
