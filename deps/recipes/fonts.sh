# Fonts of the boot archive, in one flat directory: *.ttf, without what no program of KPIO reads: the
# fonts' own hinting (the engine hints by FreeType's auto-hinter) and glyph names.
# Every glyph, every character and all rules of shaping stay; glyph numbers are the same.
parts='fonts-dejavu-core fonts-dejavu-mono fonts-dejavu-extra fonts-liberation fonttools'
flavours=src
recipe() {
    for _part in $parts; do
        unpack "$_part" "$WORK/$_part"
    done
    # shellcheck disable=SC2016  # expanded by the inner shell
    find "$WORK" -path '*/fonts/truetype/*.ttf' -print0 |
        OUT=$OUT PYTHONPATH=$WORK/fonttools/usr/lib/python3/dist-packages \
            xargs -0 -n 1 -P "$JOBS" sh -c 'python3 -m fontTools.subset "$1" --glyphs="*" \
            --layout-features="*" --no-hinting --legacy-kern --name-IDs="*" --no-glyph-names --notdef-outline \
            --drop-tables+=FFTM,gasp --output-file="$OUT/${1##*/}" >>"$OUT/../log" 2>&1' sh ||
        die "fonts: $(tail -n 1 "$OUT/../log")"
}
