#!/bin/bash
# The shared page set (../shared/corpora/pages, not part of the project): every page renders; the text of
# the static pages is all there; boxes are compared with Chromium's. The share of boxes within 1 CSS px
# of theirs is printed; it may only rise above boxes-expected.tsv ("NAME PERCENT", rounded down).
# usage: corpora.sh [FOLDER]
source "$(dirname "$0")/lib.sh"
pages=${1:-$root/../shared/corpora/pages}
# A worktree may lie deeper than the checkout that the folder is beside.
[ -d "$pages" ] || pages=$(git -C "$root" rev-parse --git-common-dir 2>/dev/null)/../../shared/corpora/pages
[ -d "$pages" ] || { echo "skip corpora: no folder $root/../shared/corpora/pages" && exit 0; }
export LC_ALL=C
start_server "$pages"

# paths: "NAME URL-PATH", of the pages that are here
paths() {
    tr -d '\n' <"$pages/pages.json" | tr '{}' '\n\n' |
        sed -n 's/.*"name": *"\([^"]*\)", *"url": *"\([^"]*\)".*/\1 \2/p'
}
# words FILE: one a line. U+00A0 (C2 A0) parts words like a blank.
words() { sed 's/\xc2\xa0/ /g' "$1" | tr -s ' \t\r\n\f' '\n' | grep .; }
# coverage REFERENCE OURS: the percentage of the reference's words that are in ours, counted
coverage() {
    awk 'NR == FNR {have[$0]++; next} {total++; if (have[$0]-- > 0) found++}
        END {printf "%.2f", total ? found * 100 / total : 0}' <(words "$2") <(words "$1")
}
# without REFERENCE OTHER: the words of the reference less those of the other
without() {
    awk 'NR == FNR {drop[$0]++; next} {if (drop[$0]-- <= 0) print}' <(words "$2"; echo) <(words "$1")
}
# missing REFERENCE OURS: some of those that are not
missing() {
    awk 'NR == FNR {have[$0]++; next} {if (have[$0]-- <= 0) print}' <(words "$2") <(words "$1") |
        head -n 8 | tr '\n' ' '
}
# boxes REFERENCE OURS: "HOW-MANY WITHIN-1 WITHIN-8", the last two in percent
boxes() {
    tr -d '\n' <"$1" | tr '{}' '\n\n' |
        sed -n 's/.*"path": *"\([^"]*\)".*"x": *\([-0-9.]*\), *"y": *\([-0-9.]*\), *"w": *\([-0-9.]*\), *"h": *\([-0-9.]*\).*/\1 \2 \3 \4 \5/p' >"$work/theirs"
    tr '{}' '\n\n' <"$2" |
        sed -n 's/.*"path": *"\([^"]*\)", *"x": *\([-0-9.]*\), *"y": *\([-0-9.]*\), *"width": *\([-0-9.]*\), *"height": *\([-0-9.]*\).*/\1 \2 \3 \4 \5/p' >"$work/ours"
    awk 'function far(i, d) {d = $i - box[$1, i]; return d < 0 ? -d : d}
        NR == FNR {seen[$1] = 1; for (i = 2; i <= 5; i++) box[$1, i] = $i; next}
        {total++; worst = 1e9
         if ($1 in seen) {worst = 0; for (i = 2; i <= 5; i++) if (far(i) > worst) worst = far(i)}
         near1 += worst <= 1; near8 += worst <= 8}
        END {printf "%d %d %d\n", total, total ? int(near1 * 100 / total) : 0, total ? int(near8 * 100 / total) : 0}' \
        "$work/ours" "$work/theirs"
}

static=" py-small bash-ref sqlite-select tiny "
count=0
while read -r name path; do
    [ -f "$pages$path" ] || continue
    count=$((count + 1))
    url=http://127.0.0.1:$port$path
    limited "$kpio" render "$url" -o "$work/page.png" --timeout "$patience" \
        >"$work/out" 2>"$work/err" </dev/null
    code=$?
    check "render-$name" "exit code $code: $(tail -n 2 "$work/err")" [ $code -eq 0 ]
    size=$($pixels "$work/page.png" size 2>&1)
    check "render-$name-picture" "$size" [ "$size" = "1280 800" ]
    rm -f "$work/page.png"

    if [[ $static == *" $name "* ]]; then
        reference=$pages/ref/$name.txt
        if [ ! -f "$reference" ]; then # its own visible words: the page has no script and no style of its own
            reference=$work/reference
            sed 's/<style.*<\/style>//; s/<title>.*<\/title>//; s/<\/*a[^>]*>//g; s/<[^>]*>/ /g; s/&amp;/\&/g' "$pages$path" >"$reference"
        fi
        # Text in inline SVG is not drawn yet, so it is not in our text either: not counted.
        tr -d '\n' <"$pages$path" | grep -o '<text [^>]*>[^<]*' | sed 's/<[^>]*>//; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g' >"$work/svg"
        without "$reference" "$work/svg" >"$work/visible"
        reference=$work/visible
        limited "$kpio" dump "$url" --format text --timeout "$patience" >"$work/text" 2>"$work/err" </dev/null
        percent=$(coverage "$reference" "$work/text")
        check "text-$name" "$(cat "$work/err") $percent% of the words; missing: $(missing "$reference" "$work/text")" \
            awk "BEGIN {exit !($percent >= 99)}"
        echo "# $name: $percent% of the reference's words"
    fi
    if [ -f "$pages/ref/$name.json" ]; then
        limited "$kpio" dump "$url" --format boxes --timeout "$patience" --size 1280x800 >"$work/boxes" 2>"$work/err" </dev/null
        read -r total near1 near8 < <(boxes "$pages/ref/$name.json" "$work/boxes")
        expected=$(awk -v name="$name" '$1 == name {print $2}' "$root/tests/e2e/boxes-expected.tsv")
        check "boxes-$name" "$(cat "$work/err") $near1% of $total boxes within 1 px, at least ${expected:-0}% expected" \
            [ "${near1:-0}" -ge "${expected:-0}" ]
        echo "# $name: of $total boxes $near1% within 1 px, $near8% within 8 px of Chromium's"
    fi
done < <(paths)
check some-pages "no page of pages.json is in $pages" [ $count -gt 0 ]
finish
