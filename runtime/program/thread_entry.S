# Where a further thread of a program begins (runtime/image/threads.c): on its own stack in linear memory,
# with a record that kp_thread_own() finds. Both lie in globals, of which each thread has its own.
    .globaltype __stack_pointer, i32
    .globaltype kp_thread_pointer, i32
    .functype kp_thread_begin (i32) -> ()

    .globl kp_thread_pointer
kp_thread_pointer:

    .section .text.kp_thread_entry,"",@
    .globl kp_thread_entry
    .type kp_thread_entry,@function
    .export_name kp_thread_entry, kp_thread_entry
kp_thread_entry:
    .functype kp_thread_entry (i32, i32) -> ()
    local.get 0
    global.set __stack_pointer
    local.get 1
    global.set kp_thread_pointer
    local.get 1
    call kp_thread_begin
    end_function
