# wasm2c with the loader and libraries that it was linked for, so that it runs on any older Debian;
# and the header that its output includes.
#   bin/wasm2c (a script), bin/wasm2wat, bin/wat2wasm; include/wasm-rt*.h
parts='wabt wabt-libc wabt-libstdcxx wabt-libgcc wabt-libcrypto'
flavours=tool
recipe() {
    for _part in $parts; do
        unpack "$_part" "$WORK/$_part"
    done
    mkdir -p "$OUT/bin" "$OUT/lib" "$OUT/libexec" "$OUT/include"
    for _lib in wabt-libc/ld-linux-x86-64.so.2 wabt-libc/libc.so.6 wabt-libc/libm.so.6 \
        wabt-libstdcxx/libstdc++.so.6 wabt-libgcc/libgcc_s.so.1 wabt-libcrypto/libcrypto.so.3; do
        cp -L "$WORK/${_lib%%/*}/usr/lib/x86_64-linux-gnu/${_lib##*/}" "$OUT/lib/" || return 1
    done
    cp "$WORK/wabt/usr/include/wasm-rt.h" "$WORK/wabt/usr/include/wasm-rt-exceptions.h" \
        "$OUT/include/" || return 1
    for _tool in wasm2c wasm2wat wat2wasm wasm-objdump; do
        cp "$WORK/wabt/usr/bin/$_tool" "$OUT/libexec/" || return 1
        cat >"$OUT/bin/$_tool" <<'EOF'
#!/bin/sh
here=${0%/*}/..
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/libexec/${0##*/}" "$@"
EOF
        chmod +x "$OUT/bin/$_tool"
    done
    "$OUT/bin/wasm2c" --version >/dev/null || die "wasm2c does not run on this machine"
}
