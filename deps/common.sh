# Shared by the scripts of deps/: messages, the manifest, the cache. Sourced, never run.
# POSIX sh. Callers set DEPS_DIR (this folder, absolute) first.

KPIO_CACHE=${KPIO_CACHE:-${HOME:-/root}/.cache/kpio}
case $KPIO_CACHE in
/*) ;;
*) KPIO_CACHE=$PWD/$KPIO_CACHE ;;
esac
MANIFEST=${KPIO_MANIFEST:-$DEPS_DIR/manifest.tsv}
TAB=$(printf '\t')
export LC_ALL=C.UTF-8 # messages of tools are searched

say() {
    [ -n "${KPIO_QUIET:-}" ] || printf 'deps: %s\n' "$*" >&2
}

die() {
    printf 'deps: %s\n' "$*" >&2
    exit 1
}

# Prints the manifest's rows without comments and empty lines.
manifest_rows() {
    [ -r "$MANIFEST" ] || die "cannot read the manifest $MANIFEST"
    grep -v -e '^#' -e '^$' "$MANIFEST"
}

# manifest_row NAME: sets name kind package suite version file sha256 licence users purpose.
manifest_row() {
    row=$(manifest_rows | awk -F '\t' -v n="$1" '$1 == n' )
    [ -n "$row" ] || die "$1: no such part in the manifest"
    IFS=$TAB read -r name kind package suite version file sha256 licence users purpose <<EOF
$row
EOF
}

# What identifies a part's bytes; the other columns may change without a new download.
manifest_identity() {
    manifest_row "$1"
    printf '%s %s %s %s %s\n' "$name" "$kind" "$package" "$file" "$sha256"
}

# Where the part of the current row lies once fetched. Keyed by the checksum.
cached_file() {
    printf '%s/files/%s/%s\n' "$KPIO_CACHE" "$sha256" "$file"
}

# with_lock NAME COMMAND...: runs COMMAND while no other process holds the lock NAME.
with_lock() {
    _lock=$KPIO_CACHE/lock/$1
    shift
    mkdir -p "$KPIO_CACHE/lock" 2>/dev/null || die "cannot write to the cache $KPIO_CACHE (set KPIO_CACHE)"
    (
        flock 9 || die "cannot lock $_lock"
        "$@"
    ) 9>"$_lock"
}

# A new empty directory on the cache's own file system, so that a rename into place is atomic.
cache_tempdir() {
    mkdir -p "$KPIO_CACHE/tmp" 2>/dev/null || die "cannot write to the cache $KPIO_CACHE (set KPIO_CACHE)"
    mktemp -d "$KPIO_CACHE/tmp/$1.XXXXXX"
}
