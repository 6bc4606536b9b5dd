# libjpeg-turbo without SIMD; the encoder serves tests, the linker drops it elsewhere. The programs'
# error handlers leave by longjmp.
parts=libjpeg
flavours='wasm native'
recipe() {
    unpack libjpeg "$WORK/src"
    cd "$WORK/src" || return 1
    cp "$CONFIG/jconfig.h" "$CONFIG/jconfigint.h" . || return 1
    # jversion.h.in names only the years of the copyright.
    sed 's/@COPYRIGHT_YEAR@/1991-2023/' jversion.h.in >jversion.h || return 1
    compile -I. -- jcapimin.c jcapistd.c jccoefct.c jccolor.c jcdctmgr.c jchuff.c jcicc.c jcinit.c \
        jcmainct.c jcmarker.c jcmaster.c jcomapi.c jcparam.c jcphuff.c jcprepct.c jcsample.c jctrans.c \
        jdapimin.c jdapistd.c jdatadst.c jdatasrc.c jdcoefct.c jdcolor.c jddctmgr.c jdhuff.c jdicc.c \
        jdinput.c jdmainct.c jdmarker.c jdmaster.c jdmerge.c jdphuff.c jdpostct.c jdsample.c jdtrans.c \
        jerror.c jfdctflt.c jfdctfst.c jfdctint.c jidctflt.c jidctfst.c jidctint.c jidctred.c jquant1.c \
        jquant2.c jutils.c jmemmgr.c jmemnobs.c jaricom.c jcarith.c jdarith.c jsimd_none.c
    archive
    headers . jpeglib.h jmorecfg.h jerror.h jconfig.h
}
