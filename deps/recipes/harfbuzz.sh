# Text shaping over HarfBuzz's own OpenType functions (hb-ot.h); config-override.h says what is left
# out. For size: at -O2 the wasm code is a third larger. C++ inside, but its library needs none at link.
parts='harfbuzz harfbuzz-patches'
flavours='wasm native'
recipe() {
    unpack harfbuzz "$WORK/src" src
    cd "$WORK/src" || return 1
    patch_with harfbuzz-patches '*-malloc-fail-*'
    cd src || return 1
    compile -Os -std=c++17 -I"$CONFIG" -DHAVE_CONFIG_OVERRIDE_H -DHB_NO_MT -- harfbuzz.cc
    archive
    headers . hb.h hb-ot.h 'hb-ot-*.h' hb-blob.h hb-buffer.h hb-common.h hb-deprecated.h hb-draw.h \
        hb-face.h hb-font.h hb-map.h hb-paint.h hb-set.h hb-shape.h hb-shape-plan.h \
        hb-style.h hb-unicode.h hb-version.h hb-aat.h hb-aat-layout.h
    rm -f "$OUT"/include/*-private.h
}
