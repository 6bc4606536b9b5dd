# The network on a whole machine in QEMU, without display and engine: qemu.sh.
network_fetch_SRC := tests/network/fetch.c
network_fetch_MEMORY := 16
network_fetch_SPLIT := 2
$(eval $(call KP_PROGRAM,network_fetch))

NETWORK_MACHINE_BUNDLE := $(BUILD)/test/network.bundle
NETWORK_MACHINE_FILES := $(foreach program,netstack http,\
    programs/$(program).kpi=$(BUILD)/image/x86_64/$(program).kpi) \
    $(foreach program,shell tab,programs/$(program).kpi=$(BUILD)/image/x86_64/network_fetch.kpi)
$(NETWORK_MACHINE_BUNDLE): $(BUILD)/tools/bundle \
    $(foreach file,$(NETWORK_MACHINE_FILES),$(lastword $(subst =, ,$(file))))
	$(call say,BUNDLE,$@)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/tools/bundle $@ $(NETWORK_MACHINE_FILES)

test: $(NETWORK_MACHINE_BUNDLE)
TEST_SCRIPTS += tests/network/qemu.sh

# The services on the machine hosted: errors, many clients, deaths (services_test.c).
$(eval $(call HOSTED_TEST,network_services,tests/network/services_test.c,$$(HTTP_TEST_BUNDLE) $$(BUILD)/tools/testserver))
network_services_TEST_CFLAGS += -DKP_TESTSERVER='"$(BUILD)/tools/testserver"'
