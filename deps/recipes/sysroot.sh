# The C library for wasm32-wasi, with clang's C++ library linked into it. A sysroot of its own, so
# that no header is ever taken from the host's /usr/include.
parts=wasi-libc
flavours=wasm
recipe() {
    unpack wasi-libc "$WORK/deb"
    mv "$WORK/deb/usr/include" "$WORK/deb/usr/lib" "$OUT/" || return 1
    for _dir in include lib; do
        [ -e "$OUT/$_dir/wasm32-wasi" ] || return 1
    done
    [ -d "$LLVM_WASM/include/wasm32-wasi/c++/v1" ] ||
        die "no C++ headers for wasm32: run deps/install-system"
    ln -s "$LLVM_WASM/include/wasm32-wasi/c++" "$OUT/include/wasm32-wasi/c++"
    ln -s "$LLVM_WASM/lib/wasm32-wasi/libc++.a" "$LLVM_WASM/lib/wasm32-wasi/libc++abi.a" \
        "$OUT/lib/wasm32-wasi/"
}
