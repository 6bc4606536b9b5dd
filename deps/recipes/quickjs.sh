# QuickJS's command, its sources unchanged: a WASI preview 1 program (config/quickjs has what WASI lacks),
# and the same natively for comparing speed; tests only.
#   wasm: qjs.wasm, tests/*.js (its own test scripts)     native: qjs
parts=quickjs
flavours='wasm native'
recipe() {
    unpack quickjs "$WORK/quickjs"
    cd "$WORK/quickjs" || return 1
    _defines="-D_GNU_SOURCE -DCONFIG_VERSION=\"$(cat VERSION)\" -w"
    _core='quickjs.c libregexp.c libunicode.c cutils.c dtoa.c quickjs-libc.c'
    # repl.js becomes C by its own compiler, which has to run here.
    "$NATIVE_CC" -O1 $_defines -DCONFIG_CC='"cc"' -DCONFIG_PREFIX='"/usr"' qjsc.c $_core -o qjsc -lm -ldl -pthread &&
        ./qjsc -s -c -o repl.c -m repl.js || die "QuickJS's own compiler cannot be built"
    if [ "$FLAVOUR" = native ]; then
        "$NATIVE_CC" -O2 $_defines qjs.c repl.c $_core -o "$OUT/qjs" -lm -ldl -pthread
        return
    fi
    cp -r tests "$OUT/tests"
    "$WASM_CC" $WASM_TARGET_FLAGS --sysroot="$(part_dir sysroot wasm)" $WASM_CODE_FLAGS $_defines \
        -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PTHREAD \
        -I"$CONFIG" -include port.h -I. qjs.c repl.c $_core "$CONFIG/port.c" -Wl,-z,stack-size=1048576 -Wl,-S \
        -lwasi-emulated-signal -lwasi-emulated-process-clocks -lwasi-emulated-getpid -lwasi-emulated-pthread -ldl \
        -o "$OUT/qjs.wasm"
}
