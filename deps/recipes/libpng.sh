# libpng with its default configuration (the encoder serves tests; the linker drops it elsewhere), no
# stdio, no assembly. Link with zlib.
parts='libpng libpng-patches'
needs=zlib
flavours='wasm native'
recipe() {
    unpack libpng "$WORK/src"
    cd "$WORK/src" || return 1
    patch_with libpng-patches 'CVE-*[0-9].patch' 'CVE-*-fix.patch'
    sed -e '/PNG_STDIO_SUPPORTED/d' -e '/PNG_SIMPLIFIED_WRITE_STDIO_SUPPORTED/d' \
        -e '/PNG_CONSOLE_IO_SUPPORTED/d' scripts/pnglibconf.h.prebuilt >pnglibconf.h || return 1
    compile -I. -isystem "$(need zlib)/include" -DPNG_INTEL_SSE_OPT=0 -- png.c pngerror.c pngget.c \
        pngmem.c pngpread.c pngread.c pngrio.c pngrtran.c pngrutil.c pngset.c pngtrans.c pngwio.c \
        pngwrite.c pngwtran.c pngwutil.c
    archive
    headers . png.h pngconf.h pnglibconf.h
}
