# Toolchains, keys and places of built parts. Sourced after common.sh by build and paths.
#
# A built part is a directory of the cache named NAME-FLAVOUR-KEY. KEY is a hash of all that decides
# its content: the manifest's rows, the recipe and its configuration files, the compiler and its flags,
# the parts that it needs. So its path is known before it is built, two clones share it, and
# a change rebuilds exactly what depends on it.

# The first clang that can compile for wasm32-wasi; 19 is what the project is tested with.
find_wasm_llvm() {
    for _v in 19 20 21 22; do
        if command -v "clang-$_v" >/dev/null && command -v "wasm-ld-$_v" >/dev/null &&
            [ -e "/usr/lib/llvm-$_v/lib/clang/$_v/lib/wasi/libclang_rt.builtins-wasm32.a" ]; then
            printf '%s\n' "$_v"
            return
        fi
    done
    die "no clang (19 or later) with wasm32-wasi support: run deps/install-system"
}

LLVM=$(find_wasm_llvm) || exit 1
LLVM_WASM=/usr/lib/llvm-$LLVM
WASM_CC=clang-$LLVM
WASM_CXX=clang++-$LLVM
WASM_AR=llvm-ar-$LLVM
WASM_ID=$("$WASM_CC" --version | head -n 1)
NATIVE_CC=${KPIO_NATIVE_CC:-gcc}
NATIVE_CXX=${KPIO_NATIVE_CXX:-g++}
NATIVE_ID=$("$NATIVE_CC" --version | head -n 1)

# Compiling for wasm32-wasi: setjmp through WebAssembly exceptions; the sysroot is added by callers.
WASM_TARGET_FLAGS="--target=wasm32-wasi -mllvm -wasm-enable-sjlj"
WASM_CODE_FLAGS="-O2 -fno-strict-aliasing"
WASM_CXX_FLAGS="-fno-exceptions -fno-rtti -fno-threadsafe-statics"
WASM_LINK_FLAGS="-Wl,-S -Wl,-z,stack-size=1048576 -lsetjmp"
NATIVE_CODE_FLAGS="-O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -fPIC"

# Raised when a helper of deps/build changes what recipes produce: it is part of every key.
HELPERS_VERSION=1

# load_recipe NAME: sets parts, needs, flavours, and the function recipe.
load_recipe() {
    [ -f "$DEPS_DIR/recipes/$1.sh" ] || die "$1: no such recipe in deps/recipes"
    parts='' needs='' flavours=''
    . "$DEPS_DIR/recipes/$1.sh"
}

# all_recipes: their names.
all_recipes() {
    for _r in "$DEPS_DIR"/recipes/*.sh; do
        basename "$_r" .sh
    done
}

# part_key NAME FLAVOUR: 16 hexadecimal digits. Runs in a subshell, for load_recipe sets variables.
part_key() (
    load_recipe "$1"
    {
        for _p in $parts; do
            manifest_identity "$_p"
        done
        cat "$DEPS_DIR/recipes/$1.sh"
        if [ -d "$DEPS_DIR/config/$1" ]; then
            find "$DEPS_DIR/config/$1" -type f | LC_ALL=C sort | xargs cat
        fi
        case $2 in
        wasm) printf '%s\n' "$WASM_ID $WASM_TARGET_FLAGS $WASM_CODE_FLAGS $WASM_CXX_FLAGS" ;;
        native) printf '%s\n' "$NATIVE_ID $NATIVE_CODE_FLAGS" ;;
        esac
        printf '%s\n' "$HELPERS_VERSION"
        for _n in $needs; do
            part_key "$_n" "$2" || exit 1
        done
        if [ "$2" = wasm ] && [ "$1" != sysroot ]; then
            part_key sysroot wasm
        fi
    } | sha256sum | cut -c 1-16
)

# part_dir NAME FLAVOUR: where it lies, or will lie, in the cache.
part_dir() {
    _key=$(part_key "$1" "$2") || exit 1
    printf '%s/build/%s-%s-%s\n' "$KPIO_CACHE" "$1" "$2" "$_key"
}
