# Programs for WASI preview 1 by others, unchanged, that the runtime must run; tests only.
#   sqlite3.wasm, speedtest1.wasm, esbuild.wasm
parts='sqlite esbuild-wasi'
flavours=wasm
recipe() {
    unpack sqlite "$WORK/sqlite"
    unpack esbuild-wasi "$WORK/esbuild" esbuild.wasm
    cp "$WORK/esbuild/esbuild.wasm" "$OUT/" || return 1
    mkdir -p "$WORK/build"
    cd "$WORK/build" || return 1
    # SQLite's own scripts join its sources; they bring their interpreter along.
    ../sqlite/configure >configure.log 2>&1 && make sqlite3.c shell.c sqlite3.h >make.log 2>&1 ||
        die "SQLite's sources cannot be joined: $(tail -n 1 make.log configure.log | tail -n 1)"
    _cc="$WASM_CC $WASM_TARGET_FLAGS --sysroot=$(part_dir sysroot wasm) $WASM_CODE_FLAGS"
    _cc="$_cc -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_GETPID"
    _cc="$_cc -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_WAL -DSQLITE_NOHAVE_SYSTEM"
    _cc="$_cc -DSQLITE_OMIT_POPEN -I."
    _link="-Wl,-z,stack-size=1048576 -lwasi-emulated-signal -lwasi-emulated-process-clocks -lwasi-emulated-getpid"
    $_cc -c sqlite3.c -o sqlite3.o && $_cc shell.c sqlite3.o $_link -o "$OUT/sqlite3.wasm" &&
        $_cc ../sqlite/test/speedtest1.c sqlite3.o $_link -o "$OUT/speedtest1.wasm"
}
