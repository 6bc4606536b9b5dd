# engine/fuzz: the engine on hostile bytes, and a host for it that tests use too. May include: engine,
# display/painter (its validator judges every frame).
ENGINE_FUZZ_HOST_SRC := engine/fuzz/host.c display/painter/check.c display/painter/scene.c
ENGINE_FUZZ_CFLAGS = -fno-sanitize-recover=all -DKP_FONT_DIR='"$(FONT_DIR)"'
ENGINE_CSS_SRC := $(wildcard engine/base/*.c engine/css/*.c engine/dom/*.c)

FUZZ_TARGETS += engine_page engine_css engine_url engine_charset
engine_page_FUZZ_SRC = engine/fuzz/fuzz_page.c $(ENGINE_FUZZ_HOST_SRC) $(ENGINE_SRC)
engine_page_FUZZ_CORPUS := engine/fuzz/corpus-page
engine_page_FUZZ_LIBS = $(ENGINE_LIBS)
engine_page_FUZZ_CFLAGS = $(ENGINE_FUZZ_CFLAGS)
engine_page_FUZZ_DEPS = $(FONT_DIR_READY)
engine_page_FUZZ_LDFLAGS := -lm
engine_css_FUZZ_SRC := engine/fuzz/fuzz_css.c $(ENGINE_CSS_SRC)
engine_css_FUZZ_CORPUS := engine/fuzz/corpus-css
engine_css_FUZZ_LIBS := lexbor
engine_css_FUZZ_CFLAGS := -fno-sanitize-recover=all
engine_css_FUZZ_LDFLAGS := -lm
engine_url_FUZZ_SRC := engine/fuzz/fuzz_url.c engine/base/url.c engine/base/buffer.c
engine_url_FUZZ_CFLAGS := -fno-sanitize-recover=all
engine_url_FUZZ_CORPUS := engine/fuzz/corpus-url
engine_charset_FUZZ_SRC = engine/fuzz/fuzz_charset.c $(ENGINE_FUZZ_HOST_SRC) $(ENGINE_SRC)
engine_charset_FUZZ_CORPUS := engine/fuzz/corpus-charset
engine_charset_FUZZ_LIBS = $(ENGINE_LIBS)
engine_charset_FUZZ_CFLAGS = $(ENGINE_FUZZ_CFLAGS)
engine_charset_FUZZ_DEPS = $(FONT_DIR_READY)
engine_charset_FUZZ_LDFLAGS := -lm
