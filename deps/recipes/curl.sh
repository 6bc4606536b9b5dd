# libcurl: HTTP/1.1 client with zlib and brotli decoding, cookies; no TLS, no proxy, no other
# protocol. The program that links it supplies the sockets: see config/curl/kpio_sockets.h.
# Link with brotli and zlib.
parts='curl curl-patches'
needs='zlib brotli'
flavours="wasm native"
recipe() {
    unpack curl "$WORK/src"
    cd "$WORK/src" || return 1
    patch_with curl-patches 'cookie-*' 'CVE-*'
    cd lib || return 1
    cp "$CONFIG/curl_config.h" "$CONFIG/kpio_sockets.h" . || return 1
    compile -D_WASI_EMULATED_SIGNAL -DHAVE_CONFIG_H -DBUILDING_LIBCURL -I. -I../include -isystem "$(need zlib)/include" \
        -isystem "$(need brotli)/include" -- *.c curlx/*.c vauth/*.c vtls/vtls.c vtls/vtls_scache.c vquic/vquic.c
    archive
    headers ../include 'curl/*.h'
    headers . kpio_sockets.h
}
