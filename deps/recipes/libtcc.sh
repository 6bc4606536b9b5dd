# A small, fast C compiler as a library: tests compile wasm2c's output with it. Of the oldest suite that we support,
# for the archive is linked into programs of the machine's own C library.
parts=libtcc
flavours=native
recipe() {
    unpack libtcc "$WORK/libtcc"
    cp "$WORK/libtcc/usr/lib/x86_64-linux-gnu/libtcc.a" "$OUT/" || return 1
    headers "$WORK/libtcc/usr/include" libtcc.h
}
