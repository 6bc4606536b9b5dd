# FreeType for TrueType and CFF outlines from memory, in sfnt, WOFF and WOFF2 wrappings, hinted by
# their own programs or, lightly (as Chromium's text looks), by the auto-hinter; the anti-aliasing
# raster only. No bitmap or Type 1 formats, no
# files (use FT_New_Memory_Face). Link with zlib and brotli.
parts='freetype freetype-patches'
needs='zlib brotli'
flavours='wasm native'
recipe() {
    unpack freetype "$WORK/src" include src
    cd "$WORK/src" || return 1
    patch_with freetype-patches 'CVE-*'
    cp "$CONFIG/ftmodule.h" include/freetype/config/ftmodule.h || return 1
    _on='FT_CONFIG_OPTION_SYSTEM_ZLIB FT_CONFIG_OPTION_USE_BROTLI
        FT_CONFIG_OPTION_DISABLE_STREAM_SUPPORT'
    _off='FT_CONFIG_OPTION_ENVIRONMENT_PROPERTIES FT_CONFIG_OPTION_USE_LZW FT_CONFIG_OPTION_MAC_FONTS
        FT_CONFIG_OPTION_GUESSING_EMBEDDED_RFORK FT_CONFIG_OPTION_SVG TT_CONFIG_OPTION_BDF'
    for _option in $_on; do
        sed -i "s|^/\* *#define $_option *\*/|#define $_option|" include/freetype/config/ftoption.h
    done
    for _option in $_off; do
        sed -i "s|^#define $_option\$|/* #define $_option */|" include/freetype/config/ftoption.h
    done
    for _option in $_on; do
        grep -q "^#define $_option\$" include/freetype/config/ftoption.h || return 1
    done
    compile -Iinclude -DFT2_BUILD_LIBRARY -isystem "$(need zlib)/include" \
        -isystem "$(need brotli)/include" -- src/base/ftbase.c src/base/ftinit.c src/base/ftsystem.c \
        src/base/ftdebug.c src/base/ftbbox.c src/base/ftbitmap.c src/base/ftglyph.c src/base/ftmm.c \
        src/base/ftstroke.c src/base/ftsynth.c src/sfnt/sfnt.c src/truetype/truetype.c src/cff/cff.c \
        src/psaux/psaux.c src/psnames/psnames.c src/pshinter/pshinter.c src/smooth/smooth.c \
        src/autofit/autofit.c \
        src/gzip/ftgzip.c
    archive
    headers include ft2build.h 'freetype/*.h' 'freetype/config/*.h'
}
