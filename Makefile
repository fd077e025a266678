# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The people's door: `make help` lists what there is.  How the module is put
# together is in Kbuild, which the kernel's own build system reads.
#
# Everything is built and tested in the lab, a Debian root that scripts/lab.sh
# makes when it is missing, so that any machine gives the same result.  Outside
# the lab this file only hands the goals over.  LAB=no uses the tools and the
# kernel headers of this machine instead; packagers want that.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

TOP	:= $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BUILD	:= $(TOP)/build
STAGE	:= $(BUILD)/stage
PREFIX	?= /usr
VERSION	:= $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' $(TOP)/dkms.conf)
Q	:= $(if $(V),,@)
S	:= $(if $(V),,-s)

# Goals that need compilers, kernels or the emulator.
LAB_GOALS := all module bpf tdx-module userspace stage install check demo \
	     demo-kms bench bench-tools style sparse check-debug fuzz fuzz-smoke \
	     fuzzers contracts kmsd install-kmsd

ifeq ($(DSTACK_IN_LAB)$(filter no,$(LAB)),)

# One entry into the lab for all goals.  A second make, not $(MAKE): its job
# server does not reach into the lab.
.PHONY: $(LAB_GOALS) in-lab
$(LAB_GOALS): in-lab
	@:
in-lab:
	@$(TOP)/scripts/lab.sh run make -C $(TOP) -j$(shell nproc) \
		$(filter $(LAB_GOALS),$(or $(MAKECMDGOALS),all)) \
		$(MAKEOVERRIDES)

else

# Which kernels to build for: the lab's (7, 6.12), or the one in KDIR.
ifeq ($(filter no,$(LAB))$(KDIR),)
KVER	?= 7 6.12
else
KDIR	?= /lib/modules/$(shell uname -r)/build
KVER	:= custom
export KDIR
endif

.PHONY: $(LAB_GOALS) selftests

all: module tdx-module stage
	@:

# The module, built from a copy of its sources: the kernel's build system
# writes beside them, and two kernels must not meet there.
MODULE_SRCS := $(shell find $(TOP)/Kbuild $(TOP)/kmod $(TOP)/include)
module: $(KVER:%=$(BUILD)/kmod-%/dstack.ko)
	@:

$(BUILD)/kmod-%/dstack.ko: $(MODULE_SRCS) $(TOP)/scripts/build-module.sh
	$(Q)echo "  MODULE  dstack.ko for kernel $*"
	+$(Q)$(TOP)/scripts/build-module.sh $*

# The lab's kernels change when its recipe does.
$(BUILD)/kmod-7/dstack.ko: $(wildcard /lab/kernel/7/release)
$(BUILD)/kmod-6.12/dstack.ko: $(wildcard /lab/kernel/6.12/release)

bpf tdx-module userspace selftests: %:
	$(Q)$(MAKE) $(S) -C $(TOP)/$(or $(DIR_$*),$*)
DIR_tdx-module := tools/tdx-module

bench-tools:
	$(Q)$(MAKE) $(S) -C $(TOP)/tools/bench
	$(Q)$(MAKE) $(S) -C $(TOP)/tools/profile
userspace: bpf
selftests: userspace

# Not of `all`: the compiler and the chain come from npm.
contracts: $(BUILD)/contracts/DstackApp.json
	@:

CONTRACTS := $(wildcard $(TOP)/contracts/*/*.sol $(TOP)/contracts/*.json)
$(BUILD)/contracts/DstackApp.json: $(CONTRACTS) $(TOP)/contracts/build.mjs
	$(Q)echo "  SOLC    contracts"
	$(Q)modules=$$($(TOP)/scripts/npm.sh $(TOP)/contracts) && \
		node $(TOP)/contracts/build.mjs "$$modules" $(@D)

# Nor this: its light client takes blst, by npm.
kmsd: userspace
	$(Q)$(MAKE) $(S) -C $(TOP)/userspace kmsd

# What the test machine gets to see: an installation, and the selftests.
stage: userspace selftests
	$(Q)$(MAKE) $(S) -C $(TOP)/userspace install DESTDIR=$(STAGE) \
		PREFIX=/usr
	$(Q)$(MAKE) $(S) -C $(TOP)/selftests install DESTDIR=$(STAGE)

install: userspace
	$(Q)$(MAKE) $(S) -C $(TOP)/userspace install DESTDIR=$(DESTDIR) \
		PREFIX=$(PREFIX)

install-kmsd:
	$(Q)$(MAKE) $(S) -C $(TOP)/userspace install-kmsd DESTDIR=$(DESTDIR) \
		PREFIX=$(PREFIX)

# scripts/run-tests.sh builds what it tests, so that its log has it.
check:
	$(Q)$(TOP)/scripts/run-tests.sh $(TEST)

style:
	$(Q)$(TOP)/scripts/run-tests.sh style layers abi
sparse:
	$(Q)$(TOP)/scripts/run-tests.sh module_analysis
check-debug:
	$(Q)$(TOP)/scripts/run-tests.sh debug

fuzzers:
	$(Q)$(MAKE) $(S) -C $(TOP)/userspace fuzzers

# FUZZ_SECONDS=, FUZZ=: for how long, and which parsers; "kernel" is the module's
# calls and messages, on the kernel of check-debug.
fuzz: export FUZZ_SECONDS := $(or $(FUZZ_SECONDS),60)
fuzz: fuzzers
	$(if $(filter kernel,$(FUZZ)),$(if $(filter-out kernel,$(FUZZ)),\
		$(Q)$(TOP)/scripts/fuzz.sh $(filter-out kernel,$(FUZZ))),\
		$(Q)$(TOP)/scripts/fuzz.sh $(FUZZ))
	$(if $(filter kernel,$(FUZZ))$(if $(FUZZ),,all),\
		$(Q)$(TOP)/scripts/run-tests.sh fuzz_kernel)

# What `make check` has of it.
fuzz-smoke:
	$(Q)$(TOP)/scripts/run-tests.sh parsers

demo: all
	$(Q)$(TOP)/scripts/demo.sh

demo-kms: all contracts kmsd
	$(Q)$(TOP)/scripts/kms/demo.sh

# PROFILE=1: where the instructions go.  BACKEND=, KERNEL=: of one kind only.
bench: all bench-tools
	$(Q)$(TOP)/scripts/bench.sh $(if $(PROFILE),--profile) \
		$(if $(BACKEND),--backend $(BACKEND)) \
		$(if $(KERNEL),--kernel $(KERNEL))

endif

# DKMS builds for whatever kernel this machine boots: outside the lab.
DKMS_SRC := $(DESTDIR)/usr/src/dstack-$(VERSION)
.PHONY: dkms
dkms:
	$(Q)mkdir -p $(DKMS_SRC)
	$(Q)cd $(TOP) && cp -R --preserve=mode \
		Kbuild dkms.conf COPYING LICENSES kmod include $(DKMS_SRC)/
ifeq ($(DESTDIR),)
	$(Q)dkms install --force dstack/$(VERSION)
else
	$(Q)echo "sources are in $(DKMS_SRC)"
endif

.PHONY: clean
clean:
	$(Q)rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'dstack for Linux $(VERSION)'
	@echo
	@echo 'Start here:'
	@echo '  make demo        boot a confidential VM, run a measured container'
	@echo '  make demo-kms    a chain, a KMS and an application: approved, revoked, moved'
	@echo '  make check       every test; TEST=name runs one, TEST=list lists'
	@echo '  make bench       what it costs, in instructions; PROFILE=1: where'
	@echo
	@echo 'Build (to build/):'
	@echo '  make             all of these'
	@echo '  make module      dstack.ko for kernels 7 and 6.12; KVER=7 for one'
	@echo '  make bpf         the BPF programs'
	@echo '  make userspace   libdstack, dstackctl, dstackd, dstack-oci-hook'
	@echo '  make tdx-module  the emulated TDX module for QEMU'
	@echo '  make contracts   DstackKms and DstackApp, by solc from npm'
	@echo '  make kmsd        the KMS, build/userspace/dstack-kms; takes npm'
	@echo '  make stage       what test machines see, in build/stage'
	@echo '  make clean       remove build/ (caches are outside the tree)'
	@echo
	@echo 'Install:'
	@echo '  make install     the programs; DESTDIR= and PREFIX= as usual'
	@echo '  make install-kmsd the KMS; takes npm'
	@echo '  make dkms        the module by DKMS; with DESTDIR= only its source'
	@echo
	@echo 'Check by hand:'
	@echo '  make style       layers, checkpatch, licences, spelling, ...'
	@echo '  make sparse      the module under sparse, W=1 and clang'
	@echo '  make fuzz        hostile inputs for every parser; FUZZ_SECONDS=60 each'
	@echo '  make fuzz-smoke  the same, 20 seconds each'
	@echo '  make check-debug the selftests under KASAN, lockdep and kmemleak, for hours'
	@echo
	@echo 'V=1 shows commands.  LAB=no uses the tools of this machine, and'
	@echo 'KDIR=... another kernel, instead of the lab (scripts/lab.sh --help).'
