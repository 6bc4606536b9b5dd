# The policy of the run queues: portable, tested on the host with simulated time. Only machine x86_64
# uses it (hosted leaves scheduling to Linux), but caps are the core's too.
SCHED_SRC := kernel/sched/heap.c kernel/sched/cap.c kernel/sched/queue.c
KERNEL_SRC += $(SCHED_SRC)

UNIT_TESTS += kernel_sched
kernel_sched_TEST_SRC := kernel/sched/test/test_sched.c $(SCHED_SRC)
kernel_sched_TEST_CFLAGS := -Ikernel/test
