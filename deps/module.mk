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

# Changes when any part or compiler does: a prerequisite for objects that see a part's headers.
DEPS_STAMP := $(DEPS_BUILD_DIR)/paths.mk.stamp

# What a target needs beyond the build: packages to run QEMU, to make the ISO.
SYSTEM_RUN_READY := $(DEPS_BUILD_DIR)/system-run.ok
SYSTEM_ISO_READY := $(DEPS_BUILD_DIR)/system-iso.ok
SYSTEM_LINT_READY := $(DEPS_BUILD_DIR)/system-lint.ok
SYSTEM_WINDOW_READY := $(DEPS_BUILD_DIR)/system-window.ok

$(DEPS_BUILD_DIR)/system-%.ok: deps/manifest.tsv deps/install-system $(DEPS_DPKG_STATUS)
	@mkdir -p $(@D)
	@deps/install-system $*
	@touch $@

# Not for goals that need no part, so that these work where nothing can be installed.
ifneq ($(filter-out clean help,$(or $(MAKECMDGOALS),all)),)
$(DEPS_BUILD_DIR)/paths.mk: $(DEPS_BUILD_DIR)/system-build.ok deps/manifest.tsv deps/paths \
    deps/common.sh deps/build-common.sh $(wildcard deps/recipes/*.sh) \
    $(wildcard deps/config/*/* deps/config/*/*/*)
	@deps/paths $@
$(DEPS_STAMP): ;

include $(DEPS_BUILD_DIR)/paths.mk
endif

TEST_SCRIPTS += deps/test/run
