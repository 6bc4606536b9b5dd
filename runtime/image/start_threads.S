/* The entry of an image with threads (contract: image.h). */
        .section .text.kp_image_start_threads, "ax", @progbits
        .globl  kp_image_start_threads
        .hidden kp_image_start_threads
        .type   kp_image_start_threads, @function
kp_image_start_threads:
        testl   %ecx, %ecx
        jz      kp_image_start
        xorl    %ebp, %ebp              /* the outermost frame, for backtraces */
        call    kp_image_further        /* all arguments as they came */
        ud2
        .size   kp_image_start_threads, . - kp_image_start_threads

        .section .note.GNU-stack, "", @progbits
