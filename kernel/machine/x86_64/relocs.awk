# `readelf -rW` of a kernel linked with --emit-relocs -> assembly of the places that hold addresses of the
# image (kaslr.c). 32-bit unsigned ones are physical addresses of the boot code and stay.
/^Relocation section/ { wanted = $3 ~ /^'\.rela\.(text|rodata|data)'$/ }
# A weak symbol that nobody defines is 0 wherever the kernel is.
!wanted || $4 ~ /^0+$/ { next }
$3 == "R_X86_64_32S" { short[++shorts] = $1 }
$3 == "R_X86_64_64" { long[++longs] = $1 }
$3 ~ /GOT|TPOFF|R_X86_64_(16|8)$/ { print "relocation that cannot be moved: " $0 > "/dev/stderr"; bad = 1 }
END {
    if (bad)
        exit 1
    print ".section .kp_relocs, \"a\"\n.balign 8\n.global kp_x86_relocs\nkp_x86_relocs:"
    printf ".long %d, %d\n", shorts, longs
    for (i = 1; i <= shorts; i++)
        print ".long 0x" substr(short[i], 9) " - 0x80000000"
    for (i = 1; i <= longs; i++)
        print ".long 0x" substr(long[i], 9) " - 0x80000000"
    print ".section .note.GNU-stack, \"\", @progbits"
}
