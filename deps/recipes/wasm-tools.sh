# What the tests and measurements of the WebAssembly runtime use, with the loader and libraries that
# it was linked for (as wasm2c): wast2json converts the specification suites, wasm-interp is a peer,
# wasm-opt generates modules.
#   bin/wast2json, bin/wasm-interp, bin/wasm-opt, bin/wasm-as (scripts)
parts='wabt peer-libc wabt-libstdcxx wabt-libgcc wabt-libcrypto binaryen'
flavours=tool
recipe() {
    for _part in $parts; do
        unpack "$_part" "$WORK/$_part"
    done
    mkdir -p "$OUT/bin" "$OUT/lib" "$OUT/libexec"
    for _lib in peer-libc/ld-linux-x86-64.so.2 peer-libc/libc.so.6 peer-libc/libm.so.6 \
        wabt-libstdcxx/libstdc++.so.6 wabt-libgcc/libgcc_s.so.1 wabt-libcrypto/libcrypto.so.3; do
        cp -L "$WORK/${_lib%%/*}/usr/lib/x86_64-linux-gnu/${_lib##*/}" "$OUT/lib/" || return 1
    done
    find "$WORK/binaryen/usr/lib" -name 'libbinaryen*.so*' -exec cp -L {} "$OUT/lib/" \;
    for _tool in wabt/wast2json wabt/wasm-interp binaryen/wasm-opt binaryen/wasm-as; do
        cp "$WORK/${_tool%%/*}/usr/bin/${_tool##*/}" "$OUT/libexec/" || return 1
        cat >"$OUT/bin/${_tool##*/}" <<'EOT'
#!/bin/sh
here=${0%/*}/..
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/libexec/${0##*/}" "$@"
EOT
        chmod +x "$OUT/bin/${_tool##*/}"
    done
    "$OUT/bin/wast2json" --version >/dev/null || die "wast2json does not run on this machine"
    "$OUT/bin/wasm-interp" --version >/dev/null || die "wasm-interp does not run on this machine"
    "$OUT/bin/wasm-opt" --version >/dev/null || die "wasm-opt does not run on this machine"
}
