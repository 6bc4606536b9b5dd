# The x86_64 machine, the kernel's link (three times: for the symbol table, for the relocations), and
# the machine's self-test, a kernel of its own with a stand-in for the core.
X86_DIR := kernel/machine/x86_64
X86_MACHINE_SRC := $(addprefix $(X86_DIR)/,boot.S entry.S acpi.c boot_read.c clock.c console.c cpu.c \
    entropy.c heap.c kaslr.c lapic.c pages.c paging.c panic.c power.c promise.c smp.c snapshot.c space.c space_code.c space_copy.c space_guest.c space_map.c speculation.c spin.c \
    start.c string.c thread.c thread_life.c thread_queue.c trace_port.c trap.c user_copy.S user_trace.c vmo.c)
X86_SRC += $(X86_MACHINE_SRC)
X86_LDSCRIPT := $(X86_DIR)/kernel.ld
X86_LD := $(CC) -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
    -Wl,-z,noexecstack -Wl,--emit-relocs -Wl,--no-warn-rwx-segments -T $(X86_LDSCRIPT)

# $(call X86_LINK,kernel,objects): first with empty tables; neither text nor data move when the tables are
# filled.
define X86_LINK
	$(call say,LD x86,$(1))
	@mkdir -p $(@D)
	$(Q)echo | awk -f $(X86_DIR)/symbols.awk > $(1).none.S
	$(Q)echo | awk -f $(X86_DIR)/relocs.awk >> $(1).none.S
	$(Q)echo | awk -f $(X86_DIR)/relocs.awk > $(1).none-relocs.S
	$(Q)$(X86_LD) $(2) $(1).none.S -o $(1).first
	$(Q)nm -n $(1).first | awk -f $(X86_DIR)/symbols.awk > $(1).symbols.S
	$(Q)$(X86_LD) $(2) $(1).symbols.S $(1).none-relocs.S -o $(1).second
	$(Q)readelf -rW $(1).second | awk -f $(X86_DIR)/relocs.awk > $(1).relocs.S
	$(Q)$(X86_LD) $(2) $(1).symbols.S $(1).relocs.S -o $(1)
	$(Q)nm -n $(1) | awk -f $(X86_DIR)/symbols.awk | cmp -s - $(1).symbols.S || \
	    { echo '$(1): the symbol table moved the code' >&2; exit 1; }
	$(Q)readelf -rW $(1) | awk -f $(X86_DIR)/relocs.awk | cmp -s - $(1).relocs.S || \
	    { echo '$(1): the table of relocations moved what it names' >&2; exit 1; }
	$(Q)rm -f $(1).first $(1).second $(1).none.S $(1).none-relocs.S
endef

$(BUILD)/x86_64/kpio.elf: $$(X86_OBJ) $$(KERNEL_X86_OBJ) $(X86_LDSCRIPT) $(X86_DIR)/symbols.awk $(X86_DIR)/relocs.awk
	$(call X86_LINK,$@,$(X86_OBJ) $(KERNEL_X86_OBJ))

X86_SELFTEST_SRC := $(X86_MACHINE_SRC) kernel/base/snprintf.c \
    kernel/base/random.c kernel/trace/trace.c $(wildcard kernel/sched/*.c) $(addprefix $(X86_DIR)/test/,selftest.c user_test.c smp_test.c vmo_test.c code_test.c guest_test.c user.S \
    stand_in.c)
X86_SELFTEST_OBJ := $(addprefix $(BUILD)/x86_64/,$(addsuffix .o,$(basename $(X86_SELFTEST_SRC))))
$(BUILD)/x86_64/selftest.elf: $(X86_SELFTEST_OBJ) $(X86_LDSCRIPT) $(X86_DIR)/symbols.awk $(X86_DIR)/relocs.awk
	$(call X86_LINK,$@,$(X86_SELFTEST_OBJ))

TEST_SCRIPTS += kernel/machine/x86_64/test/run.sh kernel/machine/x86_64/test/run-iso.sh
test: $(BUILD)/x86_64/selftest.elf | $(SYSTEM_RUN_READY) $(SYSTEM_ISO_READY)

# A disc image for real machines and BIOS or UEFI firmware: GRUB loads the kernel by multiboot2.
$(BUILD)/kpio.iso: $(BUILD)/x86_64/kpio.elf $(BUILD)/x86_64/kpio.bundle $(X86_DIR)/grub.cfg | \
    $(SYSTEM_ISO_READY)
	$(call say,ISO,$@)
	$(Q)rm -rf $(BUILD)/iso && mkdir -p $(BUILD)/iso/boot/grub
	$(Q)cp $(X86_DIR)/grub.cfg $(BUILD)/iso/boot/grub/grub.cfg
	$(Q)cp $(BUILD)/x86_64/kpio.elf $(BUILD)/x86_64/kpio.bundle $(BUILD)/iso/boot/
	$(Q)strip $(BUILD)/iso/boot/kpio.elf
	$(Q)grub-mkrescue -o $@ $(BUILD)/iso >$(BUILD)/iso.log 2>&1 || \
	    { tail -3 $(BUILD)/iso.log >&2; rm -f $@; exit 1; }
iso: $(BUILD)/kpio.iso

UNIT_TESTS += x86_acpi
x86_acpi_TEST_SRC := $(X86_DIR)/test/test_acpi.c $(X86_DIR)/acpi.c
x86_acpi_TEST_CFLAGS := -Ikernel/test
