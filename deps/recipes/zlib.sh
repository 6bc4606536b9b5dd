# zlib without its stdio layer (gz*).
parts=zlib
flavours='wasm native'
recipe() {
    unpack zlib "$WORK/src"
    cd "$WORK/src" || return 1
    compile -DHAVE_HIDDEN -DZ_HAVE_UNISTD_H -- adler32.c compress.c crc32.c deflate.c infback.c inffast.c inflate.c \
        inftrees.c trees.c uncompr.c zutil.c
    archive
    headers . zlib.h zconf.h
}
