# The compiler service: runtime/compile in processes of its own.
COMPILER_SERVICE_SRC := $(addprefix services/compiler/,cache.c disk.c disk_store.c grants.c keep.c request.c service.c sessions.c tasks.c workers.c)
COMPILER_PORTABLE_SRC = $(filter-out runtime/compile/code.c,$(RUNTIME_COMPILE_SRC)) $(RUNTIME_WASM_SRC)

# For native programs: code by the service.
COMPILER_OBTAINED_SRC := $(addprefix services/compiler/,client.c obtain.c) $(addprefix runtime/compile/,code.c lazy.c split.c)

PROGRAMS += compiler
compiler_SRC = $(addprefix services/compiler/,main.c parallel.c worker.c) $(COMPILER_SERVICE_SRC) \
    $(COMPILER_PORTABLE_SRC) $(CODE_ENTRY_SRC)
compiler_MEMORY := 768
compiler_THREADS := y
compiler_SPLIT := 4

# The service with a worker that lies, and short limits; who waits is told so at every turn of its watch.
compiler_liar_SRC = $(addprefix services/compiler/,main.c test/liar.c) $(COMPILER_SERVICE_SRC) $(CODE_ENTRY_SRC)
compiler_liar_CFLAGS := -DKP_COMPILER_TIME_BASE='(KP_NS_PER_S/2)' -DKP_COMPILER_PATIENCE=10 -DKP_COMPILER_BEAT=1
compiler_liar_MEMORY := 32
$(eval $(call KP_PROGRAM,compiler_liar))

# The tests and the measurement, on both machines: a boot archive whose "shell" is the driver and whose
# large module is one of our own programs.
compiler_driver_SRC = services/compiler/test/driver.c services/compiler/client.c services/compiler/parallel.c \
    $(COMPILER_PORTABLE_SRC) runtime/cache/sha256.c
compiler_driver_MEMORY := 512
compiler_driver_THREADS := y
$(eval $(call KP_PROGRAM,compiler_driver))
# $(call COMPILER_BUNDLE,machine,file,the service)
define COMPILER_BUNDLE
$(2): $(BUILD)/tools/bundle $(BUILD)/image/$(1)/compiler_driver.kpi $(BUILD)/image/$(1)/$(3).kpi $(BUILD)/wasm/http.wasm
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ programs/shell.kpi=$(BUILD)/image/$(1)/compiler_driver.kpi \
	    programs/compiler.kpi=$(BUILD)/image/$(1)/$(3).kpi ui/large.wasm=$(BUILD)/wasm/http.wasm
endef
$(foreach machine,hosted x86_64,$(eval $(call COMPILER_BUNDLE,$(machine),$(BUILD)/test/compiler-$(machine).bundle,compiler)) \
    $(eval $(call COMPILER_BUNDLE,$(machine),$(BUILD)/test/compiler-liar-$(machine).bundle,compiler_liar)))

# compile-digest MODULE: what the native compiler makes of it: its SHA-256 and the best time of some rounds
HOST_TOOLS += compile-digest
compile-digest_HOST_SRC = services/compiler/test/digest.c $(RUNTIME_COMPILED) runtime/cache/sha256.c
compile-digest_HOST_LDFLAGS := -pthread

TEST_SCRIPTS += services/compiler/test/run.sh services/compiler/test/directory
test: $(BUILD)/tools/hostile-hosted $(BUILD)/tools/compile-digest $(foreach machine,hosted x86_64,$(BUILD)/test/compiler-$(machine).bundle $(BUILD)/test/compiler-liar-$(machine).bundle)

UNIT_TESTS += compiler_cache
compiler_cache_TEST_SRC := $(addprefix services/compiler/,test/cache.c cache.c request.c)
FUZZ_TARGETS += compiler_service
compiler_service_FUZZ_SRC := $(addprefix services/compiler/,fuzz/service.c cache.c request.c)
compiler_service_FUZZ_CORPUS := services/compiler/fuzz/seeds
COMPILER_DISK_SRC = $(addprefix services/compiler/,disk.c disk_store.c) $(CODE_ENTRY_SRC) runtime/cache/poly1305_avx2.c
UNIT_TESTS += compiler_disk
compiler_disk_TEST_SRC = services/compiler/test/disk.c $(COMPILER_DISK_SRC)
FUZZ_TARGETS += compiler_disk
compiler_disk_FUZZ_SRC = services/compiler/fuzz/disk.c $(COMPILER_DISK_SRC)
compiler_disk_FUZZ_CORPUS := services/compiler/fuzz/disk
