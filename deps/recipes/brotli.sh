# The brotli decoder.
parts=brotli
flavours='wasm native'
recipe() {
    unpack brotli "$WORK/src" c
    cd "$WORK/src/c" || return 1
    compile -Iinclude -- common/*.c dec/*.c
    archive
    headers include brotli/decode.h brotli/port.h brotli/types.h brotli/shared_dictionary.h
}
