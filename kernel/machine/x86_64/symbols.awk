# Input: `nm -n kernel`. Output: assembly of the table that symbols.h declares (functions only).
BEGIN { count = 0 }
$2 ~ /^[tTwW]$/ && $3 !~ /^trap_[0-9]+$/ {
    # The kernel is at -2 GiB: the low 8 digits less 0x80000000 are the distance.
    address[count] = $1
    name[count++] = $3
}
END {
    print ".section .kp_symbols, \"a\""
    print ".balign 8"
    print ".global kp_x86_symbols"
    print "kp_x86_symbols:"
    printf ".long %d, 0\n", count
    offset = 0
    for (i = 0; i < count; i++) {
        printf ".long 0x%s - 0x80000000, %d\n", substr(address[i], 9), offset
        offset += length(name[i]) + 1
    }
    for (i = 0; i < count; i++)
        printf ".asciz \"%s\"\n", name[i]
    print ".section .note.GNU-stack, \"\", @progbits"
}
