# HTML, CSS syntax and selectors, encodings: lexbor 2.7.0 as carried by PHP (without its url, punycode,
# unicode, style and serialize modules). selectors-adapted works on PHP's own nodes: left out.
parts=lexbor
flavours='wasm native'
recipe() {
    unpack lexbor "$WORK/src" ext/dom/lexbor
    cd "$WORK/src/ext/dom/lexbor" || return 1
    compile -I. -DLEXBOR_STATIC -- $(find lexbor -name '*.c' \
        ! -path 'lexbor/ports/windows_nt/*' ! -path 'lexbor/selectors-adapted/*' | LC_ALL=C sort)
    archive
    headers . $(find lexbor -name '*.h' ! -path 'lexbor/selectors-adapted/*')
}
