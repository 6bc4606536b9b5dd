# Line, word and grapheme breaking.
parts=libunibreak
flavours='wasm native'
recipe() {
    unpack libunibreak "$WORK/src" src
    cd "$WORK/src/src" || return 1
    # linebreakdata.c is the table alone; indicconjunctbreakdata.c and their kind are included by others
    # only where a Makefile does not list them, so the list is the Makefile's.
    compile -I. -- unibreakbase.c unibreakdef.c linebreak.c linebreakdata.c linebreakdef.c \
        eastasianwidthdata.c eastasianwidthdef.c emojidata.c emojidef.c graphemebreak.c \
        graphemebreakdata.c indicconjunctbreakdata.c wordbreak.c wordbreakdata.c
    archive
    headers . linebreak.h wordbreak.h graphemebreak.h unibreakbase.h unibreakdef.h linebreakdef.h \
        eastasianwidthdef.h emojidef.h
}
