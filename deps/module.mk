# Third-party parts for the rest of the build. deps/README.md lists the variables.
#
# The fragment paths.mk names everything by its place in the cache, without building anything; make
# (re)writes it first and starts over, having installed the system packages that are missing.

DEPS_BUILD_DIR := $(or $(BUILD),build)/deps
DEPS_BUILD := $(if $(V),,@)nice deps/build
DEPS_DPKG_STATUS := $(wildcard /var/lib/dpkg/status)

.PHONY: deps
deps:
	$(DEPS_BUILD) --all >/dev/null

ifeq ($(filter clean help,$(MAKECMDGOALS)),)
$(DEPS_BUILD_DIR)/system.ok: deps/manifest.tsv deps/install-system $(DEPS_DPKG_STATUS)
	@mkdir -p $(@D)
	@deps/install-system build
	@touch $@

$(DEPS_BUILD_DIR)/paths.mk: $(DEPS_BUILD_DIR)/system.ok deps/manifest.tsv deps/paths \
    deps/common.sh deps/build-common.sh $(wildcard deps/recipes/*.sh) \
    $(wildcard deps/config/*/* deps/config/*/*/*)
	@deps/paths $@

include $(DEPS_BUILD_DIR)/paths.mk
endif

TEST_SCRIPTS += deps/test/run
