# Functions of `nm -n` as "offset name": wasm2c's prefix, suffix and escapes taken off.
/ [tT] /!d
s/ [tT] / /
s/^0*\([0-9a-f]\)/\1/
s/ w2c_program_/ /
s/_0\(\.[a-z].*\)\{0,1\}$/\1/
s/0x5F/_/g
s/0x2E/./g
p
