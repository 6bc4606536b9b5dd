# lwIP's sources: the program compiles them with its own lwipopts.h.
#   src/{core,api,netif,include,apps}
parts=lwip
flavours=src
recipe() {
    unpack lwip "$WORK/lwip" src COPYING
    mv "$WORK/lwip/src" "$WORK/lwip/COPYING" "$OUT/"
}
