# Everything behind engine.h; engine/tab makes the program of it.
ENGINE_OWN_SRC := $(sort $(foreach part,base css dom layout loader paint,$(wildcard engine/$(part)/*.c)))
ENGINE_SRC = $(ENGINE_OWN_SRC) $(TEXT_SRC) $(IMAGE_DECODER_SRC)
ENGINE_LIBS = lexbor $(filter-out $(TEXT_LIBS),$(IMAGE_DECODER_LIBS)) $(TEXT_LIBS)

# The engine on files, natively: build/tools/engine-tool text|html|boxes|list|time FILE
ENGINE_TOOL_SRC = engine/tool/host.c $(ENGINE_SRC)
ENGINE_NATIVE_CFLAGS = -DKP_FONT_DIR='"$(FONT_DIR)"'
HOST_TOOLS += engine-tool
engine-tool_HOST_SRC = engine/tool/main.c $(ENGINE_TOOL_SRC)
engine-tool_HOST_CFLAGS = $(ENGINE_NATIVE_CFLAGS) $(call library_flags,$(ENGINE_LIBS))
engine-tool_HOST_LDFLAGS = $(call library_list,$(ENGINE_LIBS)) -lm
engine-tool_HOST_DEPS = $(call library_list,$(ENGINE_LIBS)) $(FONT_DIR_READY)

# Compares boxes with Chromium's: build/tools/engine-compare REFERENCE BOXES
HOST_TOOLS += engine-compare
engine-compare_HOST_SRC := engine/test/compare.c
engine-compare_HOST_LDFLAGS := -lm

# ---- tests ----
ENGINE_TESTS := layout css loader
define ENGINE_TEST
UNIT_TESTS += engine_$(1)
engine_$(1)_TEST_SRC = engine/test/test_$(1).c $$(ENGINE_TOOL_SRC)
engine_$(1)_TEST_CFLAGS = $$(ENGINE_NATIVE_CFLAGS)
engine_$(1)_TEST_LIBS = $$(ENGINE_LIBS)
engine_$(1)_TEST_DEPS = $$(FONT_DIR_READY)
engine_$(1)_TEST_LDFLAGS = -lm
endef
$(foreach test,$(ENGINE_TESTS),$(eval $(call ENGINE_TEST,$(test))))

UNIT_TESTS += engine_url
engine_url_TEST_SRC := engine/test/test_url.c engine/base/url.c engine/base/buffer.c
