# The kpio command (linked with the hosted kernel into build/kpio) and its tests.
HOSTED_SRC += tools/kpio/accel.c tools/kpio/child.c tools/kpio/deflate.c tools/kpio/directory.c tools/kpio/file.c \
    tools/kpio/file_server.c tools/kpio/guest.c tools/kpio/main.c tools/kpio/options.c tools/kpio/png.c tools/kpio/ppm.c \
    tools/kpio/probe_image.S tools/kpio/program.c tools/kpio/program_output.c tools/kpio/qmp.c tools/kpio/render.c tools/kpio/run.c \
    tools/kpio/session.c tools/kpio/target.c tools/kpio/trace.c tools/kpio/trace_json.c tools/kpio/view.c \
    tools/kpio/wasm.c tools/kpio/wasm_code.c tools/kpio/wasm_value.c
# kpio wasm; the lists of runtime/ are complete here.
HOSTED_SRC += $(RUNTIME_ALL)

# The accelerator probe: a guest kernel of its own, embedded as bytes.
$(BUILD)/guest/probe.elf: tools/kpio/guest/probe.S tools/kpio/guest/probe.ld
	$(call say,GUEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,-T,tools/kpio/guest/probe.ld -Wl,--build-id=none \
	    -Wl,--no-warn-rwx-segments -o $@ $<
$(BUILD)/hosted/tools/kpio/probe_image.o: $(BUILD)/guest/probe.elf
$(BUILD)/hosted/tools/kpio/probe_image.o: HOSTED_CFLAGS += -I$(BUILD)/guest

UNIT_TESTS += png target ppm
png_TEST_SRC := tools/kpio/test/test_png.c tools/kpio/png.c tools/kpio/deflate.c tools/kpio/file.c
png_TEST_LIBS := libpng zlib
png_TEST_LDFLAGS := -lm
target_TEST_SRC := tools/kpio/test/test_target.c tools/kpio/target.c tools/kpio/options.c \
    tools/kpio/file.c tools/kpio/file_server.c tools/kpio/child.c
ppm_TEST_SRC := tools/kpio/test/test_ppm.c tools/kpio/ppm.c

UNIT_TESTS += program-output
program-output_TEST_SRC := tools/kpio/test/test_program_output.c tools/kpio/program_output.c

UNIT_TESTS += file-server
file-server_TEST_SRC := tools/kpio/test/test_file_server.c tools/kpio/file_server.c tools/kpio/child.c

UNIT_TESTS += trace-json
trace-json_TEST_SRC := tools/kpio/test/test_trace_json.c tools/kpio/trace_json.c
FUZZ_TARGETS += trace-json
trace-json_FUZZ_SRC := tools/kpio/fuzz/trace_json.c tools/kpio/trace_json.c
trace-json_FUZZ_CORPUS := tools/kpio/fuzz/trace-json

FUZZ_TARGETS += file-server
file-server_FUZZ_SRC := tools/kpio/fuzz/file_server.c tools/kpio/file_server.c tools/kpio/child.c
file-server_FUZZ_CORPUS := tools/kpio/fuzz/file-server
