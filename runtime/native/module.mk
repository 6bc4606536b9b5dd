# Native programs: C of ours compiled straight to images (README.md). In the program's module.mk:
#
#   NAME_SRC, NAME_CFLAGS      sources (.c, .S) and more flags
#   NAME_STACK, NAME_HEAP      MiB of linear memory (default 1 and 16)
#   NAME_MAXIMUM               the largest linear memory in MiB (default 4096)
#   NATIVE_PROGRAMS += NAME    into the boot archive; OTHER_NATIVE_PROGRAMS: built only
#
#   build/image/{x86_64,hosted}/NAME.kpi
NATIVE_SRC := $(addprefix runtime/native/,call.c heap.c pages.c start.c entry.S stdio.c stdlib.c string.c) \
    runtime/image/memory.c runtime/image/maths.c kernel/base/snprintf.c \
    $(addprefix runtime/program/,log.c message.c startup.c)

# A freestanding compiler that knows memcpy and its kin (-fbuiltin), its own headers and ours. Frames larger
# than a page are probed, so that none steps over the guard below the stack. No contraction: WebAssembly's
# floating point is exact. One thread: thread-local storage would need a segment register.
NATIVE_CFLAGS = -std=gnu17 -O2 -fPIE -fvisibility=hidden -march=x86-64-v2 -mtune=generic \
    -ffreestanding -fbuiltin -nostdinc -isystem $(NATIVE_COMPILER_HEADERS) -isystem runtime/native/include \
    -fno-strict-aliasing -fno-omit-frame-pointer -fno-math-errno -ffp-contract=off -fno-stack-protector \
    -fstack-clash-protection -fcf-protection=none -fno-asynchronous-unwind-tables -U_FORTIFY_SOURCE \
    -ffunction-sections -fdata-sections -U__linux__ -DKP_NATIVE -D_Thread_local= -I.
# Silent: on a new machine the compiler is installed only after this was read (deps/module.mk).
NATIVE_COMPILER_HEADERS := $(shell $(CC) -print-file-name=include 2>/dev/null)

NATIVE_OBJ = $(addprefix $(BUILD)/native/,$(addsuffix .o,$(basename $(1))))
# Loops that would be recognised as what they implement; so would calloc's malloc and memset.
$(BUILD)/native/runtime/image/memory.o $(addprefix $(BUILD)/native/runtime/native/,string.o heap.o): NATIVE_EXTRA := -fno-builtin \
    $(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)

$(BUILD)/native/%.o: %.c runtime/native/module.mk
	$(call say,CC native,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CC) $(NATIVE_CFLAGS) $(WARNINGS) -MMD -MP $(NATIVE_EXTRA) -c $< -o $@

$(BUILD)/native/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(CC) -I. -c $< -o $@

# $(call KP_NATIVE_IMAGE,program,machine,machine number,stub sources variable)
define KP_NATIVE_IMAGE
$(BUILD)/image/$(2)/native/$(1).o: runtime/native/note.c runtime/native/native.h abi/image.h \
    runtime/native/module.mk $(MAKEFILE_LIST)
	@mkdir -p $$(@D)
	$$(Q)$$(CCACHE) $$(CC) $$(NATIVE_CFLAGS) $$(WARNINGS) -DKP_NATIVE_MACHINE=$(3) \
	    -DKP_NATIVE_STACK=$$(or $$($(1)_STACK),1) -DKP_NATIVE_HEAP=$$(or $$($(1)_HEAP),16) \
	    -DKP_NATIVE_MAXIMUM=$$(or $$($(1)_MAXIMUM),4096) -c $$< -o $$@

$(BUILD)/image/$(2)/$(1).kpi: $(BUILD)/image/$(2)/native/$(1).o $$$$(call NATIVE_PROGRAM_OBJ,$(1)) \
    $$$$(call NATIVE_OBJ,$$$$(NATIVE_SRC) $$$$($(4))) runtime/image/check
	$$(call say,IMAGE,$$@)
	@mkdir -p $$(@D)
	$$(Q)ld $$(IMAGE_LDFLAGS) $$(filter %.o,$$^) -o $$@.elf
	$$(Q)runtime/image/check $$@.elf
	$$(Q)nm -n --defined-only $$@.elf | sed -n -f runtime/image/symbols.sed \
	    >$(BUILD)/image/$(2)/$(1).sym
	$$(Q)$(if $(filter hosted,$(2)),cp $$@.elf $$@,strip -o $$@ $$@.elf)
endef

# Flags of a program's own get objects of its own.
NATIVE_PROGRAM_OBJ = $(addprefix $(BUILD)/native/$(if $($(1)_CFLAGS),$(1)/),$(addsuffix .o,$(basename $($(1)_SRC))))

define KP_NATIVE_PROGRAM
$(if $($(1)_CFLAGS),
$(BUILD)/native/$(1)/%.o: %.c runtime/native/module.mk
	$$(call say,CC native,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CCACHE) $$(CC) $$(NATIVE_CFLAGS) $$(WARNINGS) $$($(1)_CFLAGS) -MMD -MP -c $$< -o $$@

$(BUILD)/native/$(1)/%.o: %.S
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -I. -c $$< -o $$@
)
$(call KP_NATIVE_IMAGE,$(1),x86_64,1,IMAGE_X86_SRC)
$(call KP_NATIVE_IMAGE,$(1),hosted,2,IMAGE_HOSTED_SRC)
endef

# The flavour itself, as a system's shell: native.sh boots it on both machines.
native_test_SRC := runtime/native/test/native_test.c
native_test_HEAP := 8
native_test_CFLAGS := -fno-builtin
OTHER_NATIVE_PROGRAMS += native_test
define NATIVE_TEST_BUNDLE
$(BUILD)/test/native-$(1).bundle: $(BUILD)/tools/bundle $(BUILD)/image/$(1)/native_test.kpi
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ programs/shell.kpi=$(BUILD)/image/$(1)/native_test.kpi
test: $(BUILD)/test/native-$(1).bundle
endef
$(foreach machine,x86_64 hosted,$(eval $(call NATIVE_TEST_BUNDLE,$(machine))))
TEST_SCRIPTS += runtime/native/test/native.sh
