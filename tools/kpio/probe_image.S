/* The probe guest (guest/probe.S) as bytes. */
    .section .rodata
    .globl kp_probe_image, kp_probe_image_end
kp_probe_image:
    .incbin "probe.elf"
kp_probe_image_end:
    .section .note.GNU-stack, "", @progbits
