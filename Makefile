# KPIO. `make run` boots it in QEMU, `make test` proves it; `make help` lists the rest.
#
# Every folder says what it adds in its module.mk (variables below); the rules are here, those for
# programs (.c -> .wasm -> native image) in runtime/image/module.mk, those for third-party parts in
# deps/module.mk. Lists grow in files that are read later than the rules that use them, so such rules
# name their prerequisites with $$ (second expansion).
#
#   KERNEL_SRC   portable kernel core, compiled for both machines
#   X86_SRC      only machine x86_64 (.c, .S)          HOSTED_SRC  only machine hosted
#   PROGRAMS     wasm programs; NAME_SRC, NAME_LIBS (deps names), NAME_CFLAGS
#   OTHER_PROGRAMS  the same, but in no boot archive of the system
#   NATIVE_PROGRAMS, OTHER_NATIVE_PROGRAMS  C of ours without WebAssembly (runtime/native/module.mk)
#   PROGRAM_SRC  linked into every program             IMAGE_SRC, IMAGE_X86_SRC, IMAGE_HOSTED_SRC
#   HOST_TOOLS   NAME_HOST_SRC, NAME_HOST_CFLAGS, NAME_HOST_LDFLAGS      -> build/tools/NAME
#   UNIT_TESTS   NAME_TEST_SRC, NAME_TEST_CFLAGS, NAME_TEST_LIBS, NAME_TEST_LDFLAGS -> build/test/NAME
#   FUZZ_TARGETS NAME_FUZZ_SRC, NAME_FUZZ_CFLAGS, NAME_FUZZ_LIBS, NAME_FUZZ_CORPUS  -> build/fuzz/NAME
#   BUNDLE_FILES bundle/path=source/path
#   TEST_SCRIPTS scripts that print "ok NAME"/"not ok NAME" lines, run by `make test` after the build
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDEXPANSION:
MAKEFLAGS += --no-builtin-rules -j$(shell nproc)
SHELL := /bin/bash
, := ,

BUILD := build
CC := gcc
FUZZ_CC := clang-19
CCACHE := $(shell command -v ccache)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

WARNINGS := -Wall -Wextra -Werror $(if $(findstring clang,$(CC)),,-Wshadow=local) -Wstrict-prototypes -Wmissing-prototypes
BASE_CFLAGS := -std=c17 -I. $(WARNINGS) -g -MMD -MP
HOSTED_CFLAGS := $(subst c17,gnu17,$(BASE_CFLAGS)) -O2 -fno-omit-frame-pointer -D_GNU_SOURCE \
    -Ikernel/machine/hosted
X86_RETPOLINES := $(if $(findstring clang,$(CC)),-mretpoline-external-thunk,-mindirect-branch=thunk-extern -mindirect-branch-register)
X86_CFLAGS := $(BASE_CFLAGS) -O2 -ffreestanding -fno-builtin-printf -mcmodel=kernel -mno-red-zone \
    -mgeneral-regs-only -fno-pic -fno-pie -fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
    -fcf-protection=none -fstack-protector-strong -fno-jump-tables $(X86_RETPOLINES) \
    -Ikernel/machine/x86_64
TEST_CFLAGS := $(subst c17,gnu17,$(BASE_CFLAGS)) -Wno-missing-prototypes -O1 -D_GNU_SOURCE \
    -fno-omit-frame-pointer
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

KERNEL_SRC :=
X86_SRC :=
HOSTED_SRC :=
PROGRAMS :=
OTHER_PROGRAMS :=
NATIVE_PROGRAMS :=
OTHER_NATIVE_PROGRAMS :=
PROGRAM_SRC :=
IMAGE_SRC :=
IMAGE_X86_SRC :=
IMAGE_HOSTED_SRC :=
HOST_TOOLS :=
UNIT_TESTS :=
FUZZ_TARGETS :=
BUNDLE_FILES :=
TEST_SCRIPTS :=

include $(sort $(wildcard */module.mk */*/module.mk */*/*/module.mk))

# ---- the kernel ----
objects = $(addprefix $(BUILD)/$(1)/,$(addsuffix .o,$(basename $(2))))
X86_OBJ = $(call objects,x86_64,$(X86_SRC))
KERNEL_X86_OBJ = $(call objects,x86_64,$(KERNEL_SRC))
HOSTED_OBJ = $(call objects,hosted,$(HOSTED_SRC))
KERNEL_HOSTED_OBJ = $(call objects,hosted,$(KERNEL_SRC))

$(BUILD)/x86_64/%.o: %.c
	$(call say,CC x86,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CC) $(X86_CFLAGS) -c $< -o $@

$(BUILD)/x86_64/%.o: %.S
	$(call say,AS x86,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(X86_CFLAGS) -c $< -o $@

$(BUILD)/hosted/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(CC) $(HOSTED_CFLAGS) -c $< -o $@

$(BUILD)/hosted/%.o: %.S
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOSTED_CFLAGS) -c $< -o $@

$(BUILD)/kpio: $$(HOSTED_OBJ) $$(KERNEL_HOSTED_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ -pthread -ldl -rdynamic

# ---- native tools of the build and of the tests ----
upper = $(shell echo '$(1)' | tr a-z A-Z)
library_list = $(foreach library,$(1),$($(call upper,$(library))_NATIVE_LIB))
library_flags = $(foreach library,$(1),$($(call upper,$(library))_NATIVE_CFLAGS))
# $(call NATIVE,directory,name,sources variable,compiler and flags,link flags,order-only prerequisites)
define NATIVE
$(BUILD)/obj/$(1)/$(2)/%.o: %.c $(if $(strip $(6)),$(DEPS_STAMP)) | $(6)
	$$(call say,CC $(1),$$<)
	@mkdir -p $$(@D)
	$$(Q)$(CCACHE) $(4) -c $$< -o $$@

$(BUILD)/obj/$(1)/$(2)/%.o: %.S
	@mkdir -p $$(@D)
	$$(Q)$(4) -c $$< -o $$@

$(BUILD)/$(1)/$(2): $$$$(addprefix $(BUILD)/obj/$(1)/$(2)/,$$$$(addsuffix .o,$$$$(basename $$$$($(3)))))
	$$(call say,LD $(1),$$@)
	@mkdir -p $$(@D)
	$$(Q)$(4) $$^ -o $$@ $(5)
endef
$(foreach tool,$(HOST_TOOLS),$(eval $(call NATIVE,tools,$(tool),$(tool)_HOST_SRC,\
    $(CC) $(TEST_CFLAGS) -O2 $($(tool)_HOST_CFLAGS),$($(tool)_HOST_LDFLAGS),$($(tool)_HOST_DEPS))))

# ---- programs ----
$(foreach program,$(PROGRAMS) $(OTHER_PROGRAMS),$(eval $(call KP_PROGRAM,$(program))))
$(foreach program,$(NATIVE_PROGRAMS) $(OTHER_NATIVE_PROGRAMS),$(eval $(call KP_NATIVE_PROGRAM,$(program))))
ARCHIVE_PROGRAMS := $(PROGRAMS) $(NATIVE_PROGRAMS)

# ---- the boot archive, one for each machine ----
FONTS := $(addprefix DejaVuSans,.ttf -Bold.ttf -Oblique.ttf -BoldOblique.ttf) \
    $(addprefix DejaVuSansMono,.ttf -Bold.ttf -Oblique.ttf -BoldOblique.ttf) \
    $(addprefix DejaVuSerif,.ttf -Bold.ttf -Italic.ttf -BoldItalic.ttf) \
    $(foreach family,Sans Serif Mono,$(addprefix Liberation$(family)-,\
        Regular.ttf Bold.ttf Italic.ttf BoldItalic.ttf))
BUNDLE_FILES += $(foreach font,$(FONTS),fonts/$(font)=$(FONT_DIR)/$(font))
bundle_sources = $(foreach file,$(BUNDLE_FILES),$(lastword $(subst =, ,$(file))))
define BUNDLE
$(2): $(BUILD)/tools/bundle $$$$(bundle_sources) $$(ARCHIVE_PROGRAMS:%=$(BUILD)/image/$(1)/%.kpi)
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ $(if $(filter x86_64,$(1)),-z fonts/ -z symbols/ -z programs/compiler.kpi -z programs/wasm-runner.kpi) $$(BUNDLE_FILES) \
	    $$(foreach program,$$(ARCHIVE_PROGRAMS),programs/$$(program).kpi=$(BUILD)/image/$(1)/$$(program).kpi \
	        $(if $(filter x86_64,$(1)),symbols/$$(program).sym=$(BUILD)/image/$(1)/$$(program).sym))
endef
$(eval $(call BUNDLE,x86_64,$(BUILD)/x86_64/kpio.bundle))
$(eval $(call BUNDLE,hosted,$(BUILD)/kpio.bundle))

# ---- unit tests and fuzz targets ----


$(foreach test,$(UNIT_TESTS),$(eval $(call NATIVE,test,$(test),$(test)_TEST_SRC,\
    $(CC) $(TEST_CFLAGS) $(SANITIZE) $(call library_flags,$($(test)_TEST_LIBS)) $($(test)_TEST_CFLAGS),\
    $(call library_list,$($(test)_TEST_LIBS)) $($(test)_TEST_LDFLAGS),\
    $(call library_list,$($(test)_TEST_LIBS)) $($(test)_TEST_DEPS))))
$(foreach target,$(FUZZ_TARGETS),$(eval $(call NATIVE,fuzz,$(target),$(target)_FUZZ_SRC,\
    $(FUZZ_CC) $(filter-out -Wshadow=local,$(TEST_CFLAGS)) -fsanitize=fuzzer$(,)address$(,)undefined \
    $(call library_flags,$($(target)_FUZZ_LIBS)) $($(target)_FUZZ_CFLAGS),\
    $(call library_list,$($(target)_FUZZ_LIBS)) $($(target)_FUZZ_LDFLAGS),\
    $(call library_list,$($(target)_FUZZ_LIBS)) $($(target)_FUZZ_DEPS))))

$(foreach test,$(UNIT_TESTS),$(call COMPILER_IMAGE,test,$(test),$($(test)_TEST_SRC)))
$(foreach target,$(FUZZ_TARGETS),$(call COMPILER_IMAGE,fuzz,$(target),$($(target)_FUZZ_SRC)))
$(foreach tool,$(HOST_TOOLS),$(call COMPILER_IMAGE,tools,$(tool),$($(tool)_HOST_SRC)))

-include $(shell find $(BUILD) -path $(BUILD)/deps -prune -o -name '*.d' -print 2>/dev/null)

# ---- what people type ----
.PHONY: all run test test-unit test-fuzz bench clean help iso screenshots
all: $(BUILD)/kpio $(BUILD)/kpio.bundle $(BUILD)/x86_64/kpio.elf $(BUILD)/x86_64/kpio.bundle

WINDOW = $(DISPLAY)$(WAYLAND_DISPLAY)
run: all | $(SYSTEM_RUN_READY) $(if $(WINDOW),$(SYSTEM_WINDOW_READY))
	$(Q)$(BUILD)/kpio run $(if $(URL),'$(URL)') $(if $(WINDOW),,--headless --serial - --screenshot $(BUILD)/screen.png)
	$(if $(WINDOW),,@echo 'no graphical session here: the screen is in $(BUILD)/screen.png')

test-unit: $(UNIT_TESTS:%=$(BUILD)/test/%)
	$(Q)tests/run --unit $^

test-fuzz: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
	$(Q)tests/run $(foreach target,$(FUZZ_TARGETS),--fuzz $(BUILD)/fuzz/$(target) $($(target)_FUZZ_CORPUS))

test: all $(HOST_TOOLS:%=$(BUILD)/tools/%) $(UNIT_TESTS:%=$(BUILD)/test/%) \
    $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%) | $(SYSTEM_RUN_READY)
	$(Q)tests/run $(foreach test,$(UNIT_TESTS),--unit $(BUILD)/test/$(test)) \
	    $(foreach target,$(FUZZ_TARGETS),--fuzz $(BUILD)/fuzz/$(target) $($(target)_FUZZ_CORPUS)) \
	    $(foreach script,$(TEST_SCRIPTS),--script $(script))

clean:
	$(Q)rm -rf $(BUILD)

help:
	@sed -n 's/^# *make /make /p' Makefile
# make               everything: build/kpio (hosted command), build/x86_64/kpio.elf, boot archives
# make run [URL=...] boot KPIO in QEMU and show the page (no graphical session: in build/screen.png)
# make test          all tests; the last line is "N passed, N failed"
# make bench         measurements, as tables
# make bench-kernel  the kernel's own, in guest instructions
# make bench-wasm    the WebAssembly tiers beside other engines; make bench-compiler: the compiler service; make bench-guard: guard pages on KPIO
# make libkpwasm     build/libkpwasm.a, the WebAssembly runtime for other programs (runtime/embed)
# make test-wasm-qemu  the WebAssembly specification suites on KPIO in QEMU, both tiers
# make fuzz-calls CALLS=10000000   that many random system calls under ASan and UBSan
# make lint          clang-format and clang-tidy
# make iso           build/kpio.iso for BIOS and UEFI machines
# make screenshots   the pictures of README.md
# make clean         removes build/ (third-party parts stay cached outside)
