# Programs: C -> wasm object -> NAME.wasm -> C again (wasm2c) -> objects -> two images NAME.kpi.
#
#   PROGRAMS += NAME     and for each:
#   NAME_SRC             .c files of this repository; absolute paths (third-party sources of deps/) too,
#                        these are compiled without warnings
#   NAME_CFLAGS          more flags for NAME_SRC           NAME_LIBS  deps names: lexbor freetype ...
#   NAME_MEMORY          largest linear memory in MiB (default 512)
#   NAME_SPLIT           how many C files wasm2c writes (default 4; more for large programs)
#   NAME_THREADS         y: it may have threads (runtime/program/thread.h)
#
#   build/wasm/NAME.wasm                     the module; imports only kpio.call (checked)
#   build/image/{x86_64,hosted}/NAME.kpi     the images
#                                            (hosted ones keep their symbols, for crash messages)
#   build/image/{x86_64,hosted}/NAME.sym     "offset function" lines: what an address in it means

IMAGE_SRC += runtime/image/maths.c runtime/image/memory.c runtime/image/runtime.c runtime/image/start.S
IMAGE_X86_SRC += runtime/image/call_x86_64.S
IMAGE_HOSTED_SRC += runtime/image/call_hosted.S

# Of programs with threads only.
IMAGE_THREADS_SRC := runtime/image/threads.c runtime/image/start_threads.S
PROGRAM_THREADS_SRC := runtime/program/thread.c runtime/program/thread_heap.c runtime/program/thread_entry.S

HOST_TOOLS += wasm_info
wasm_info_HOST_SRC := runtime/image/tool/wasm_info.c

PROGRAM_CFLAGS = $(WASM_CFLAGS) -std=gnu17 -I. -mbulk-memory -mnontrapping-fptoint -MMD -MP \
    -D_WASI_EMULATED_SIGNAL
PROGRAM_WARNINGS = $(filter-out -Wshadow=local,$(WARNINGS))
PROGRAM_LDFLAGS = $(WASM_LDFLAGS) -Wno-unused-command-line-argument -Wl,--stack-first \
    -Wl,--fatal-warnings

# Memory is imported, so that it is one for the instances of all threads; atomics become atomic
# (threads.sed). libc is the one of other programs: its heap gets a lock, the rest is thread.h's to say.
comma := ,
THREADS_CFLAGS := -matomics -include runtime/program/thread_local.h
THREADS_LDFLAGS := -Wl,--import-memory $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc free aligned_alloc posix_memalign)

# wasm2c's output is compiled by clang: measured on tab with clang 19 against gcc 12, 30% less time to
# compile and 3 to 8% less to run. -fPIE, not -fPIC: nothing is ever interposed. Frame pointers are for
# backtraces of crashes (2 to 3% of the run time).
IMAGE_C_CC := $(WASM_CC)
IMAGE_CC := $(CC)
IMAGE_CFLAGS = -std=gnu17 -O2 -fPIE -fvisibility=hidden -march=x86-64-v2 -mtune=generic \
    -fno-strict-aliasing -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -fno-math-errno -fno-stack-protector -fcf-protection=none \
    -fno-asynchronous-unwind-tables -U_FORTIFY_SOURCE -DNDEBUG \
    -DWASM_RT_SKIP_SIGNAL_RECOVERY=1 -DWASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION=1 \
    -I. -Iruntime/image/include -isystem $(WASM_RT_INCLUDE)
IMAGE_LDFLAGS := -pie --no-dynamic-linker -z separate-code -z norelro -z noexecstack -z text \
    -z max-page-size=4096 --build-id=none --hash-style=gnu --no-undefined --gc-sections \
    -e kp_image_start

# Changes when the flags do, and then everything that they made is made again.
IMAGE_FLAGS := $(BUILD)/image/flags
.PHONY: kp-image-flags
$(IMAGE_FLAGS): kp-image-flags
	@mkdir -p $(@D)
	@printf '%s\n' '$(IMAGE_CC) $(IMAGE_C_CC) $(IMAGE_CFLAGS) $(IMAGE_LDFLAGS)' >$@.new
	@cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

PROGRAM_THREADS_OBJ = $(addprefix $(BUILD)/wasm/obj/,$(addsuffix .o,$(basename $(PROGRAM_THREADS_SRC))))
$(PROGRAM_THREADS_OBJ): PROGRAM_CFLAGS += $(THREADS_CFLAGS)
$(BUILD)/wasm/obj/%.o: %.S | $$(WASM_READY)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) --target=wasm32-wasi -c $< -o $@

IMAGE_OBJ = $(addprefix $(BUILD)/image/obj/,$(addsuffix .o,$(basename $(1))))
PROGRAM_OBJ = $(addprefix $(BUILD)/wasm/obj/,$(addsuffix .o,$(basename $(PROGRAM_SRC))))

# What every program links. An archive: a file of which a program needs nothing is left out with its
# constructors.
PROGRAM_LIBRARY := $(BUILD)/wasm/program.a
$(PROGRAM_LIBRARY): $$(PROGRAM_OBJ)
	$(Q)rm -f $@
	$(Q)$(WASM_AR) rcs $@ $^

$(BUILD)/wasm/obj/%.o: %.c | $$(WASM_READY)
	$(call say,WASMCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(WASM_CC) $(PROGRAM_CFLAGS) $(PROGRAM_WARNINGS) -c $< -o $@

# Not part of the loops that it would recognise; wasm2c's own output is compiled without warnings.
$(BUILD)/image/obj/runtime/image/memory.o: IMAGE_EXTRA := -fno-builtin \
    -fno-tree-loop-distribute-patterns
$(BUILD)/image/obj/%.o: %.c $(IMAGE_FLAGS) | $$(WASM_READY)
	$(call say,CC image,$<)
	@mkdir -p $(@D)
	$(Q)$(CCACHE) $(IMAGE_CC) $(IMAGE_CFLAGS) $(WARNINGS) -MMD -MP $(IMAGE_EXTRA) -c $< -o $@

$(BUILD)/image/obj/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(IMAGE_CC) -c $< -o $@

KP_UPPER = $(shell printf '%s' '$(1)' | tr a-z- A-Z_)
# Absolute sources have objects below third/, for two files of one name in different trees.
KP_PROGRAM_OBJ = $(addprefix $(BUILD)/wasm/obj/$(1)/,$(addsuffix .o,$(basename \
    $(patsubst /%,third/%,$($(1)_SRC)))))

# $(call KP_IMAGE,program,machine,machine number,stub sources variable)
define KP_IMAGE
$(BUILD)/image/$(2)/obj/$(1).o: runtime/image/module.c $(BUILD)/image/c/$(1)/module.h \
    $(BUILD)/image/c/$(1)/$(1)_0.c runtime/image/internal.h runtime/image/threads.h abi/image.h $(IMAGE_FLAGS)
	@mkdir -p $$(@D)
	$$(Q)$$(CCACHE) $$(IMAGE_CC) $$(IMAGE_CFLAGS) -include $(BUILD)/image/c/$(1)/$(1).h \
	    -include $(BUILD)/image/c/$(1)/module.h -DKP_MODULE_MACHINE=$(3) -c $$< -o $$@

$(BUILD)/image/$(2)/$(1).kpi: $(BUILD)/image/$(2)/obj/$(1).o $$($(1)_IMAGE_OBJ) \
    $$$$(call IMAGE_OBJ,$$$$(IMAGE_SRC) $$$$($(4)) $$$$(if $$$$($(1)_THREADS),$$$$(IMAGE_THREADS_SRC))) runtime/image/check \
    runtime/image/symbols.sed
	$$(call say,IMAGE,$$@)
	@mkdir -p $$(@D)
	$$(Q)ld $$(IMAGE_LDFLAGS) $$(if $$($(1)_THREADS),-e kp_image_start_threads) $$(filter %.o,$$^) -o $$@.elf
	$$(Q)runtime/image/check $$@.elf
	$$(Q)nm -n --defined-only $$@.elf | sed -n -f runtime/image/symbols.sed \
	    >$(BUILD)/image/$(2)/$(1).sym
	$$(Q)$(if $(filter hosted,$(2)),cp $$@.elf $$@,strip -o $$@ $$@.elf)
endef

define KP_PROGRAM
$(1)_LIB_FILES := $$(foreach library,$$($(1)_LIBS),$$($$(call KP_UPPER,$$(library))_WASM_LIB))
$(1)_LIB_CFLAGS := $$(foreach library,$$($(1)_LIBS),$$($$(call KP_UPPER,$$(library))_WASM_CFLAGS))
$(1)_OUTPUTS := $$(or $$($(1)_SPLIT),4)
$(1)_IMAGE_C := $$(foreach n,$$(shell seq 0 $$$$(($$($(1)_OUTPUTS)-1))),$(BUILD)/image/c/$(1)/$(1)_$$(n).c)
$(1)_IMAGE_OBJ := $$($(1)_IMAGE_C:.c=.o)

$(BUILD)/wasm/obj/$(1)/%.o: %.c $$(if $$($(1)_LIBS),$$(DEPS_STAMP)) | $$(WASM_READY) $$($(1)_LIB_FILES)
	$$(call say,WASMCC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CCACHE) $$(WASM_CC) $$(PROGRAM_CFLAGS) $$(PROGRAM_WARNINGS) $$($(1)_LIB_CFLAGS) \
	    $$(if $$($(1)_THREADS),$$(THREADS_CFLAGS)) $$($(1)_CFLAGS) -c $$< -o $$@

$(BUILD)/wasm/obj/$(1)/third/%.o: /%.c $$(if $$($(1)_LIBS),$$(DEPS_STAMP)) | $$(WASM_READY) $$($(1)_LIB_FILES)
	$$(call say,WASMCC,$$(notdir $$<))
	@mkdir -p $$(@D)
	$$(Q)$$(CCACHE) $$(WASM_CC) $$(PROGRAM_CFLAGS) -w $$($(1)_LIB_CFLAGS) \
	    $$(if $$($(1)_THREADS),$$(THREADS_CFLAGS)) $$($(1)_CFLAGS) -c $$< -o $$@

$(BUILD)/wasm/$(1).wasm: $$(call KP_PROGRAM_OBJ,$(1)) $$$$(if $$$$($(1)_THREADS),$$$$(PROGRAM_THREADS_OBJ)) \
    $(PROGRAM_LIBRARY) $$($(1)_LIB_FILES)
	$$(call say,WASMLD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(WASM_CC) $$(PROGRAM_LDFLAGS) $$(if $$($(1)_THREADS),$$(THREADS_LDFLAGS)) -Wl,--max-memory=$$(shell echo $$$$(($$(or \
	    $$($(1)_MEMORY),512)*1048576))) $$^ -o $$@

$(BUILD)/image/c/$(1)/module.h: $(BUILD)/wasm/$(1).wasm $(BUILD)/tools/wasm_info
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/wasm_info $$< >$$@

$$($(1)_IMAGE_C) &: $(BUILD)/wasm/$(1).wasm | $(BUILD)/image/c/$(1)/module.h
	$$(call say,WASM2C,$$<)
	@mkdir -p $(BUILD)/image/c/$(1)
	$$(Q)$$(WASM2C) --enable-threads -n program --num-outputs=$$($(1)_OUTPUTS) -o $(BUILD)/image/c/$(1)/$(1).c $$<
	$$(if $$($(1)_THREADS),$$(Q)sed -i -f runtime/image/threads.sed $$($(1)_IMAGE_C))

$(BUILD)/image/c/$(1)/%.o: $(BUILD)/image/c/$(1)/%.c $(IMAGE_FLAGS)
	$$(call say,CC image,$$<)
	$$(Q)$$(CCACHE) $$(IMAGE_C_CC) $$(IMAGE_CFLAGS) $$(if $$($(1)_THREADS),-include runtime/image/threads.h) -w -c $$< -o $$@

$(call KP_IMAGE,$(1),x86_64,1,IMAGE_X86_SRC)
$(call KP_IMAGE,$(1),hosted,2,IMAGE_HOSTED_SRC)
endef
