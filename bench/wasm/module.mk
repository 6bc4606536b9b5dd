# make bench-wasm: see run.
BENCH_WASM_KERNELS := matmul nbody fannkuch sha256 mandelbrot quicksort base64 mix
HOST_TOOLS += bench_wasm
bench_wasm_HOST_SRC = bench/wasm/engine.c $(sort $(RUNTIME_COMPILED) $(RUNTIME_INTERPRETED))
bench_wasm_HOST_LDFLAGS := -pthread

$(BUILD)/bench/wasm/%.wasm: bench/wasm/kernels/%.c bench/wasm/kernels/kernel.h
	$(call say,WASM,$<)
	@mkdir -p $(@D)
	$(Q)clang-19 --target=wasm32-wasi -O2 -std=c17 -Wall -Wextra -Werror -ffreestanding -nostdlib \
	    -Wl,--no-entry -Wl,-z,stack-size=65536 $< -o $@

$(BUILD)/bench/wasm/%.native: bench/wasm/kernels/%.c bench/wasm/native.c bench/wasm/kernels/kernel.h
	$(call say,CC native,$<)
	@mkdir -p $(@D)
	$(Q)gcc -O2 -I. -std=gnu17 -Wall -Wextra -Werror $< bench/wasm/native.c -o $@ -lm

# The largest module of our own, with today's exceptions in place of the legacy ones.
$(BUILD)/bench/wasm/tab.wasm: $(BUILD)/wasm/tab.wasm
	$(call say,WASM-OPT,$@)
	@mkdir -p $(@D)
	$(Q)$$(deps/build wasm-tools tool)/bin/wasm-opt --all-features --translate-to-exnref $< -o $@

# A megabyte of code that is started and not called; warm/run measures how soon.
WARM_LIBS := harfbuzz brotli zlib libunibreak
$(BUILD)/bench/wasm/warm.wasm: bench/wasm/warm/start.c | $$(WASM_READY)
	$(call say,WASM,$<)
	@mkdir -p $(@D)
	$(Q)clang-19 --target=wasm32-wasi -O2 -std=c17 -Wall -Wextra -Werror -mexec-model=reactor -nostartfiles \
	    -Wl,--no-entry -Wl,--export=_start -Wl,--strip-debug -Wl,-z,stack-size=65536 $< -Wl,--whole-archive \
	    -Wl,--no-gc-sections $$(for lib in $(WARM_LIBS); do echo $$(deps/build $$lib wasm)/*.a; done) -Wl,--no-whole-archive -o $@
HOST_TOOLS += warm_measure
warm_measure_HOST_SRC := bench/wasm/warm/measure.c
HOST_TOOLS += warm_embed
warm_embed_HOST_SRC = bench/wasm/warm/embed.c $(RUNTIME_API_SRC) $(RUNTIME_ALL)
warm_embed_HOST_LDFLAGS := -pthread

.PHONY: bench-wasm
bench-wasm: $(BUILD)/libkpwasm-interpret.a $(BUILD)/bench/wasm/warm.wasm $(BUILD)/tools/warm_measure $(BUILD)/tools/warm_embed $(BUILD)/kpio $(BUILD)/bench/wasm/tab.wasm $(BUILD)/tools/bench_wasm $(BENCH_WASM_KERNELS:%=$(BUILD)/bench/wasm/%.wasm) \
    $(BENCH_WASM_KERNELS:%=$(BUILD)/bench/wasm/%.native)
	$(Q)bench/wasm/run $(RUNS)

# Memories with guard pages beside checked ones, on KPIO.
$(BUILD)/bench/wasm/fd_write.wasm: bench/wasm/fd_write.c | $$(WASM_READY)
	$(call say,WASMCC,$<)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) $(WASM_CFLAGS) -std=gnu17 -O1 -Wno-unused-command-line-argument $(WASM_LDFLAGS) $< -o $@
.PHONY: bench-guard
bench-guard: $(BUILD)/kpio $(BUILD)/tools/bundle $(BUILD)/image/hosted/wasm-runner.kpi $(BUILD)/image/hosted/compiler.kpi \
    $(BUILD)/bench/wasm/fd_write.wasm
	$(Q)bench/wasm/guard $(ROUNDS)
