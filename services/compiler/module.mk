# The compiler service: runtime/compile in processes of its own.
COMPILER_SERVICE_SRC := $(addprefix services/compiler/,cache.c grants.c request.c service.c sessions.c tasks.c workers.c)
COMPILER_PORTABLE_SRC = $(filter-out runtime/compile/code.c,$(RUNTIME_COMPILE_SRC)) $(RUNTIME_WASM_SRC)

# For native programs: code by the service.
COMPILER_OBTAINED_SRC := $(addprefix services/compiler/,client.c obtain.c) $(addprefix runtime/compile/,code.c lazy.c split.c)

PROGRAMS += compiler
compiler_SRC = $(addprefix services/compiler/,main.c worker.c) $(COMPILER_SERVICE_SRC) \
    $(COMPILER_PORTABLE_SRC) runtime/cache/sha256.c
compiler_MEMORY := 768
compiler_SPLIT := 4

# The tests and the measurement, on both machines: a boot archive whose "shell" is the driver and whose
# large module is one of our own programs.
compiler_driver_SRC = services/compiler/test/driver.c services/compiler/client.c \
    $(COMPILER_PORTABLE_SRC) runtime/cache/sha256.c
compiler_driver_MEMORY := 512
$(eval $(call KP_PROGRAM,compiler_driver))
# $(call COMPILER_BUNDLE,machine,file)
define COMPILER_BUNDLE
$(2): $(BUILD)/tools/bundle $(BUILD)/image/$(1)/compiler_driver.kpi $(BUILD)/image/$(1)/compiler.kpi $(BUILD)/wasm/http.wasm
	$$(call say,BUNDLE,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(BUILD)/tools/bundle $$@ programs/shell.kpi=$(BUILD)/image/$(1)/compiler_driver.kpi \
	    programs/compiler.kpi=$(BUILD)/image/$(1)/compiler.kpi ui/large.wasm=$(BUILD)/wasm/http.wasm
endef
$(eval $(call COMPILER_BUNDLE,hosted,$(BUILD)/test/compiler-hosted.bundle))
$(eval $(call COMPILER_BUNDLE,x86_64,$(BUILD)/test/compiler-x86_64.bundle))

# compile-digest MODULE: what the native compiler makes of it: its SHA-256 and the best time of some rounds
HOST_TOOLS += compile-digest
compile-digest_HOST_SRC = services/compiler/test/digest.c $(RUNTIME_COMPILED) runtime/cache/sha256.c
compile-digest_HOST_LDFLAGS := -pthread

TEST_SCRIPTS += services/compiler/test/run.sh
test: $(BUILD)/tools/hostile-hosted $(BUILD)/tools/compile-digest $(BUILD)/test/compiler-hosted.bundle $(BUILD)/test/compiler-x86_64.bundle

UNIT_TESTS += compiler_cache
compiler_cache_TEST_SRC := $(addprefix services/compiler/,test/cache.c cache.c request.c)
FUZZ_TARGETS += compiler_service
compiler_service_FUZZ_SRC := $(addprefix services/compiler/,fuzz/service.c cache.c request.c)
compiler_service_FUZZ_CORPUS := services/compiler/fuzz/seeds
