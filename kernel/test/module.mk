# Unit tests and fuzz targets of the portable core, over the test machine (machine.h).
CORE_TEST_SRC = kernel/base/tree.c kernel/sched/cap.c $(wildcard $(addsuffix /*.c,$(addprefix kernel/,object ipc vfs init browser syscall time trace))) \
    kernel/test/machine.c kernel/test/objects.c kernel/test/process.c
CORE_TEST_CFLAGS := -Ikernel/test

# $(call CORE_TEST,name,test file)
define CORE_TEST
UNIT_TESTS += $(1)
$(1)_TEST_SRC = $(2) $$(CORE_TEST_SRC)
$(1)_TEST_CFLAGS := $$(CORE_TEST_CFLAGS)
$(1)_TEST_LDFLAGS := -pthread
endef
define CORE_FUZZ
FUZZ_TARGETS += $(1)
$(1)_FUZZ_SRC = $(2) $$(CORE_TEST_SRC)
$(1)_FUZZ_CFLAGS := $$(CORE_TEST_CFLAGS)
$(1)_FUZZ_LDFLAGS := -pthread
$(1)_FUZZ_CORPUS := $(3)
endef
$(eval $(call CORE_TEST,kernel_handle,kernel/object/test/test_handle.c))
$(eval $(call CORE_TEST,kernel_derivation,kernel/object/test/test_derivation.c))
$(eval $(call CORE_TEST,kernel_derivation_threads,kernel/object/test/test_derivation_threads.c))
$(eval $(call CORE_TEST,kernel_code,kernel/object/test/test_code.c))
$(eval $(call CORE_TEST,kernel_guest,kernel/object/test/test_guest.c))
$(eval $(call CORE_TEST,kernel_job,kernel/object/test/test_job.c))
$(eval $(call CORE_TEST,kernel_wait,kernel/object/test/test_wait.c))
$(eval $(call CORE_TEST,kernel_wait_threads,kernel/object/test/test_wait_threads.c))
$(eval $(call CORE_TEST,kernel_futex,kernel/object/test/test_futex.c))
$(eval $(call CORE_TEST,kernel_image,kernel/object/test/test_image.c))
$(eval $(call CORE_TEST,kernel_channel,kernel/ipc/test/test_channel.c))
$(eval $(call CORE_TEST,kernel_call_reply,kernel/ipc/test/test_call.c))
$(eval $(call CORE_TEST,kernel_ramfs,kernel/vfs/test/test_ramfs.c))
$(eval $(call CORE_TEST,kernel_mount,kernel/vfs/test/test_mount.c))
$(eval $(call CORE_FUZZ,kernel_files,kernel/vfs/fuzz/files.c,kernel/vfs/fuzz/files))
$(eval $(call CORE_TEST,kernel_rights,kernel/syscall/test/test_rights.c))
$(eval $(call CORE_TEST,kernel_calls,kernel/syscall/test/test_calls.c))
$(eval $(call CORE_TEST,kernel_memory,kernel/syscall/test/test_memory.c))
$(eval $(call CORE_TEST,kernel_vmo,kernel/syscall/test/test_vmo.c))
$(eval $(call CORE_TEST,kernel_process,kernel/syscall/test/test_process.c))
$(eval $(call CORE_TEST,kernel_threads,kernel/object/test/test_threads.c))
$(eval $(call CORE_TEST,kernel_process_threads,kernel/object/test/test_process_threads.c))
$(eval $(call CORE_TEST,kernel_init,kernel/init/test/test_init.c))
TEST_SCRIPTS += kernel/test/threads-tsan
CALLS_FUZZ_SRC := $(addprefix kernel/syscall/fuzz/,world.c generate.c)
$(eval $(call CORE_FUZZ,kernel_calls,kernel/syscall/fuzz/calls.c $(CALLS_FUZZ_SRC),kernel/syscall/fuzz/calls))
$(eval $(call CORE_TEST,kernel_random_calls,kernel/syscall/fuzz/random.c $(CALLS_FUZZ_SRC)))
# Many random system calls under ASan and UBSan: make fuzz-calls CALLS=10000000 [SEED=1]
CALLS ?= 1000000
SEED ?= 1
.PHONY: fuzz-calls
fuzz-calls: $(BUILD)/test/kernel_random_calls
	$(Q)$< --calls $(CALLS) --seed $(SEED)
$(eval $(call CORE_FUZZ,kernel_image,kernel/object/fuzz/image.c,kernel/object/fuzz/image))
$(eval $(call CORE_FUZZ,kernel_bundle,kernel/init/fuzz/bundle.c,kernel/init/fuzz/bundle))
$(eval $(call CORE_TEST,kernel_trace,kernel/trace/test/test_trace.c))
