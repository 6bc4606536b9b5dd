# Fonts of the boot archive, in one flat directory: *.ttf
parts='fonts-dejavu-core fonts-dejavu-mono fonts-dejavu-extra fonts-liberation'
flavours=src
recipe() {
    for _part in $parts; do
        unpack "$_part" "$WORK/$_part"
        cp "$WORK/$_part"/usr/share/fonts/truetype/*/*.ttf "$OUT/" || return 1
    done
}
