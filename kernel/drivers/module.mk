# PCI and virtio drivers of machine x86_64; the queue logic is also tested and fuzzed on the host.
X86_SRC += kernel/drivers/drivers.c kernel/drivers/framebuffer.c kernel/drivers/gpu_cursor.c \
    kernel/drivers/pci.c kernel/drivers/selftest.c kernel/drivers/serial_console.c kernel/drivers/virtio.c \
    kernel/drivers/virtio_gpu.c kernel/drivers/virtio_input.c kernel/drivers/virtio_net.c \
    kernel/drivers/virtio_rng.c kernel/drivers/virtqueue.c

UNIT_TESTS += virtqueue
virtqueue_TEST_SRC := kernel/drivers/test/test_virtqueue.c kernel/drivers/virtqueue.c

# The drivers themselves, in a fake world (test/fake.h); its locks are the core tests' pthreads.
DRIVERS_FAKE_SRC := $(addprefix kernel/drivers/,test/fake.c gpu_cursor.c virtio_gpu.c virtio_input.c \
    virtio_net.c virtio_rng.c virtqueue.c)
UNIT_TESTS += drivers
drivers_TEST_SRC := kernel/drivers/test/test_devices.c $(DRIVERS_FAKE_SRC)
drivers_TEST_CFLAGS := -Ikernel/test

FUZZ_TARGETS += virtqueue drivers
drivers_FUZZ_SRC := kernel/drivers/fuzz/fuzz_devices.c $(DRIVERS_FAKE_SRC)
drivers_FUZZ_CFLAGS := -Ikernel/test
drivers_FUZZ_CORPUS := kernel/drivers/fuzz/devices
virtqueue_FUZZ_SRC := kernel/drivers/fuzz/fuzz_virtqueue.c kernel/drivers/virtqueue.c
virtqueue_FUZZ_CORPUS := kernel/drivers/fuzz/corpus

HOST_TOOLS += drivers-harness
drivers-harness_HOST_SRC := kernel/drivers/test/harness.c tools/kpio/child.c tools/kpio/file.c \
    tools/kpio/ppm.c tools/kpio/qmp.c
TEST_SCRIPTS += kernel/drivers/test/run.sh
test: $(BUILD)/tools/drivers-harness
