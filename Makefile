# `make demo` shows what the programs do; `make test` tests it. Both install what they need, in target/.

ARCH := $(shell uname -m)
ifeq ($(ARCH),x86_64)
TARGET := x86_64-unknown-linux-gnu
# lld, the linker of this target since Rust 1.90, folds identical functions.
SMALL := -C link-arg=-Wl,-z,pack-relative-relocs -C link-arg=-Wl,--icf=all -C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,$(CURDIR)/.ci/no-unwind-tables.ld
# The paths of the sources, which the places of panics name, without the directories of whoever builds it.
SMALL += --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src/=
# Sequences of instructions that occur several times become functions: 78 kB. Copying takes no longer.
SMALL += -C llvm-args=-enable-machine-outliner
# As a library it comes before glibc, and an archive's symbol is taken from the first one that has it.
GLIBC := $(CURDIR)/target/glibc
SMALL += -L native=$(GLIBC) -l static:-bundle=instead-of-glibc
else
TARGET := $(ARCH)-unknown-linux-musl
endif
STATIC := target/$(TARGET)/release
# The other way of sequences is for a history of more than 16 MiB (1.5.7, zstd_decompress_block.c); a block of squashfs has at most
# one: 13 kB. The other way of literals decodes two at once (huf_decompress.c): 18 kB; without it, a copy takes 5 % more CPU time.
ZSTD := CFLAGS_$(subst -,_,$(TARGET))="-DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT -DHUF_FORCE_DECOMPRESS_X1"
export RUST_BACKTRACE ?= 0

.PHONY: help demo demo-calamares test real vm-test vm check lint tools rig static docs dist bench fuzz clean

help:
	@echo "make demo    install a channel configuration and a flake, offline, into a disk image, and show the result"
	@echo "make demo-calamares   run the graphical installer on a virtual screen; screenshots into target/demo-calamares"
	@echo "make test    all tests and all linters"
	@echo "make real NIXPKGS=TREE[:TREE…]   the tests that need a real nixpkgs, on each tree; into target/real/summary.json"
	@echo "make vm-test whole installations in virtual machines, from an empty disk to a login"
	@echo "make check   only linters and unit tests"
	@echo "make static  build the static programs"
	@echo "make docs    man pages and shell completions, into target/docs"
	@echo "make dist    what a release has for this processor, and its checksum, into target/dist"
	@echo "make bench   size, start-up time and speed, into target/bench.json and bench.svg"
	@echo "make fuzz    run libFuzzer on the squashfs reader for an hour"

demo: static rig
	tests/rig/demo

demo-calamares: static rig
	dpkg -s xvfb xdotool imagemagick > /dev/null 2>&1 || apt-get install -y -qq --no-install-recommends xvfb xdotool imagemagick
	cargo test --package rig --test demo_calamares -- --ignored --test-threads 1

test: check static rig vm
	cargo test --package rig --no-fail-fast
	tests/vm/run by_hand_uefi calamares_uefi_channel try_bios

# Checks NIXPKGS before anything is built.
real:
	tests/make-real --only-look
	$(MAKE) static rig
	tests/make-real $(ONLY)

# See tests/vm/README.md.
vm-test: static vm
	tests/vm/run

vm: static
	tests/vm/setup

check: lint
	.ci/unit-tests

lint: tools
	.ci/lint

static: $(if $(GLIBC),$(GLIBC)/libinstead-of-glibc.a)
	$(ZSTD) RUSTFLAGS='-C target-feature=+crt-static $(SMALL)' cargo build --release --target $(TARGET) --bins --package nix-cfg-install --package copy-closure

%/libinstead-of-glibc.a: .ci/glibc.c
	mkdir -p $*
	$(CC) -Os -Wall -Wextra -Werror -fno-builtin -c -o $*/glibc.o $<
	$(AR) rcs $@ $*/glibc.o

# Real Nix in offline live systems; see tests/rig/README.md.
rig:
	tests/rig/setup all

tools:
	.ci/tools

docs:
	cargo run --quiet --example package-docs -- target/docs

dist: static docs
	.ci/dist $(STATIC) target/docs

bench: static rig
	tests/bench

# For an hour; more with SECONDS=…
fuzz: tools
	crates/squashfs-image/fuzz/run $(or $(SECONDS),3600)

clean:
	cargo clean
