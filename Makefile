# SPDX-License-Identifier: BSD-2-Clause
#
# `make help` lists the targets. Everything is built below build/ (build/sanitize with SANITIZE=1).
# Missing Debian packages are installed first by tests/install-deps; nothing that needs a package
# is run while this file is being read.

TOP      := build
CC       ?= cc
CFLAGS   ?= -O2 -g
CLANG    ?= clang
STRIP    ?= llvm-strip
BPFTOOL  ?= bpftool
GO       ?= go
PKGCONF  ?= pkg-config
PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec
MANDIR   ?= $(PREFIX)/share/man
DOCDIR   ?= $(PREFIX)/share/doc/apoptosis
DESTDIR  ?=
DEPS     := libbpf libuv jansson inih sqlite3 ncursesw libseccomp libcap-ng

ifeq ($(origin CC),default)
CC       := cc
endif

ifdef FUZZ
B        := $(TOP)/fuzz
CC       := $(CLANG)
SANFLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifdef SANITIZE
B        := $(TOP)/sanitize
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else
B        := $(TOP)
SANFLAGS :=
endif
ifdef V
Q        :=
else
Q        := @
MAKEFLAGS += --no-print-directory
endif

# bpftool lives in /usr/sbin, which Debian leaves out of a user's PATH.
export PATH := $(PATH):/usr/sbin:/sbin

VERSION  := $(or $(shell cat VERSION 2>/dev/null || \
	      git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//'),0.1.0)

# BPF sees the architecture through bpf_tracing.h, and has no multiarch include path of its own.
ARCH     ?= $(shell uname -m)
BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(patsubst ppc64le,powerpc,$(patsubst \
	      s390x,s390,$(patsubst riscv64,riscv,$(ARCH))))))

# Looked up once, at first use: only then are the packages there.
once      = $(eval $(1) := $$(shell $(2)))$($(1))
# libmicrohttpd is loaded when it is asked for: user/engine/microhttpd.h.
DEPS_CFLAGS = $(call once,DEPS_CFLAGS,$(PKGCONF) --cflags $(DEPS) libmicrohttpd)
DEPS_LIBS   = $(call once,DEPS_LIBS,$(PKGCONF) --libs $(DEPS) && echo -lm -ldl)
POST_CFLAGS = $(call once,POST_CFLAGS,$(PKGCONF) --cflags libcurl)
POST_LIBS = $(call once,POST_LIBS,$(PKGCONF) --libs libcurl)
SYMBOLS_LIBS = $(call once,SYMBOLS_LIBS,$(PKGCONF) --libs libdw libelf jansson libseccomp && echo -liberty)
TEST_CFLAGS = $(call once,TEST_CFLAGS,$(PKGCONF) --cflags criterion)
TEST_LIBS   = $(call once,TEST_LIBS,$(PKGCONF) --libs criterion)
# As Debian names directories; clang says more of a machine than that.
MULTIARCH   = $(call once,MULTIARCH,$(CC) -dumpmachine | sed 's/-\(pc\|unknown\)-linux/-linux/')
# The helper is looked for beside the program, and there.
LIBEXEC     = $(call once,LIBEXEC,realpath -ms --relative-to='$(subst ','\'',$(BINDIR))' '$(subst ','\'',$(LIBEXECDIR))')
AS_ROOT     = $(call once,AS_ROOT,[ `id -u` -eq 0 ] || echo sudo -E)

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wno-missing-field-initializers -Werror
# Where nothing else looks at each access: gcc and clang check what is copied, the stack as it grows, and, where
# the machine can, that jumps go where they may. That of the C library takes optimization.
ifeq ($(SANFLAGS),)
HARDEN   := -fstack-clash-protection $(if $(filter x86,$(BPF_ARCH)),-fcf-protection) \
	    $(if $(filter arm64,$(BPF_ARCH)),-mbranch-protection=standard)
FORTIFY  := $(if $(filter-out -O0,$(filter -O%,$(lastword $(filter -O%,$(CFLAGS))))),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif
# Nothing that is built knows where: the same bytes in each directory.
ANYWHERE := -ffile-prefix-map='$(CURDIR)'=.
# Defined empty, so that a source file that says `#define _GNU_SOURCE` itself agrees with it.
CPPFLAGS_ALL := -D_GNU_SOURCE= -DAPO_VERSION='"$(VERSION)"' -DAPO_LIBEXEC='"$(LIBEXEC)"' -I include -I user \
		$(CPPFLAGS) $(FORTIFY)
CFLAGS_ALL   := -std=gnu11 $(CFLAGS) -fPIE -fstack-protector-strong $(HARDEN) $(ANYWHERE) -pthread $(WARN) $(SANFLAGS)
LDFLAGS_ALL  := -pthread -pie $(SANFLAGS) -Wl,-z,relro,-z,now $(LDFLAGS)
BPF_CFLAGS   := -target bpf -g -O2 -mcpu=v2 $(ANYWHERE) -D__TARGET_ARCH_$(BPF_ARCH) -I include -I bpf \
		-Wall -Wextra -Werror -Wno-unused-parameter

src2obj   = $(patsubst %.c,$(B)/obj/%.o,$(1))
BPF_SRC  := $(sort $(wildcard bpf/*.bpf.c))
BPF_SKEL := $(BPF_SRC:bpf/%.bpf.c=$(TOP)/gen/%.skel.h)
# Sorted: the order in which objects are linked is not that of a directory.
SYMBOLS_SRC := $(sort $(wildcard user/symbols/*.c))
POST_OBJ := $(call src2obj,user/post/main.c)
USER_SRC := $(filter-out $(SYMBOLS_SRC) user/post/main.c,$(sort $(wildcard user/*.c user/*/*.c)))
USER_OBJ := $(call src2obj,$(USER_SRC))
LIB_OBJ  := $(filter-out $(B)/obj/user/main.o,$(USER_OBJ))
SYMBOLS_OBJ := $(call src2obj,$(SYMBOLS_SRC))
SYMBOLS_LIB_OBJ := $(filter-out $(B)/obj/user/symbols/main.o,$(SYMBOLS_OBJ))
UNIT_OBJ := $(call src2obj,$(wildcard tests/unit/*.c))
LIVE_BPF  := $(wildcard tests/live/*.bpf.c)
LIVE_SKEL := $(LIVE_BPF:tests/live/%.bpf.c=$(TOP)/gen/tests/%.skel.h)
LIVE_TOOL := $(wildcard tests/live/*_tool.c)
LIVE_OBJ := $(call src2obj,$(filter-out $(LIVE_BPF) $(LIVE_TOOL),$(wildcard tests/live/*.c)))
LIVE_TOOL_OBJ := $(call src2obj,$(LIVE_TOOL))
MANPAGES := $(sort $(notdir $(wildcard docs/*.[0-9])))
FUZZ_LIB := tests/fuzz/fuzz.c
FUZZERS  := $(patsubst tests/fuzz/%.c,$(TOP)/fuzz/%,$(filter-out $(FUZZ_LIB),$(wildcard tests/fuzz/*.c)))
FUZZ_RUN := $(if $(TARGETS),$(addprefix $(TOP)/fuzz/,$(TARGETS)),$(FUZZERS))
FUZZ_OBJ := $(call src2obj,$(wildcard tests/fuzz/*.c))
LIVE_TOOL_BIN := $(LIVE_TOOL:tests/live/%_tool.c=$(B)/tests/%) $(B)/tests/next
BENCH_BPF  := $(wildcard bench/*.bpf.c)
BENCH_SKEL := $(BENCH_BPF:bench/%.bpf.c=$(TOP)/gen/bench/%.skel.h)
BENCH_OBJ  := $(call src2obj,$(filter-out $(BENCH_BPF),$(wildcard bench/*.c)))
# One file, one program.
WORKLOADS  := $(patsubst tests/workloads/%.c,$(TOP)/workloads/%,$(filter-out %/embed_python.c,$(wildcard tests/workloads/*.c))) \
	      $(patsubst tests/workloads/%.go,$(TOP)/workloads/%,$(wildcard tests/workloads/*.go)) \
	      $(addprefix $(TOP)/workloads/,hoard-stripped hugejson-stripped)
# Not for another machine: that takes libraries of C++ and Rust for it, and its Python.
ifeq ($(ARCH),$(shell uname -m))
WORKLOADS  += $(patsubst tests/workloads/%.cc,$(TOP)/workloads/%,$(wildcard tests/workloads/*.cc)) \
	      $(TOP)/workloads/hoard_cpp-clang $(TOP)/workloads/hoard_rust \
	      $(TOP)/workloads/embed_python $(TOP)/workloads/embed_python-static \
	      $(TOP)/python/.done $(TOP)/libsystemd/.done $(TOP)/libbpf/.done
endif

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all test unit live model fuzz htmltest vmtest vmtest-arm64 vmbench systemdtest oomdtest podmantest dockertest packagetest support-table dashboard demo bench compare check check-arm64 fmt \
	install uninstall image deb dist clean help workloads FORCE

all: $(B)/apoptosis $(B)/apoptosis-symbols $(B)/apoptosis-post

help:
	@echo 'make            build $(B)/apoptosis'
	@echo 'make test       unit and live tests (live: root or sudo, a real kernel)'
	@echo 'make unit       unit tests alone, no root: TESTS=suite/test'
	@echo 'make live       live tests alone: TESTS=suite/test'
	@echo 'make model      searches all states of a small model of the loan, seconds: WORD=v2 (scenes or faults with it in their names)'
	@echo 'make htmltest   the page of report --html, in headless Chromium; pictures in build/html'
	@echo 'make vmtest     live tests under other kernels, emulated: KERNEL="6.1 6.12", TESTS=suite/test, JOBS=2'
	@echo 'make systemdtest  services that spike on a machine that systemd runs, emulated, two minutes'
	@echo 'make oomdtest   services that systemd-oomd is about to kill, on a machine of the newest systemd, emulated, minutes'
	@echo 'make dockertest  the same by Docker; and containers of Docker, systemd-nspawn and LXC under the daemon of the host'
	@echo 'make podmantest  containers that spike, by Podman on an emulated machine: entry point, sidecar, daemon'
	@echo 'make vmbench    the cost of a page fault in instructions, on an emulated machine: KERNEL=7.x-v2 BENCHFLAGS=--help'
	@echo 'make support-table  the table in README.md, from the last vmtest'
	@echo 'make check      formatting, layers, static analysis, ABI sizes, help against man page, manifests'
	@echo 'make check-arm64  builds it all for arm64 and looks up what it needs in arm64 kernels'
	@echo 'make fuzz       every parser of bytes that others write: FUZZ_SECONDS=60 for each, TARGETS="maps code"'
	@echo 'make demo       one spike three ways: unguarded, self-polling, guarded'
	@echo 'make bench      latency, save rate, near misses, real programs, services, pressure, cost, whole programs, idle, fleet: QUICK=1, BENCH=cost,idle, BENCHFLAGS=--help'
	@echo 'make compare    two builds of the tool by saves, latency and near misses, in turns: OLD=PATH of the other one'
	@echo 'make fmt        format the C files'
	@echo 'make install    into $$(DESTDIR)$$(PREFIX): BINDIR, LIBEXECDIR, MANDIR, DOCDIR; uninstall takes it away again'
	@echo 'make image      an OCI image in build/image, without a shell, registry or daemon'
	@echo 'make deb        a Debian package, in $(TOP)/deb; make dist: the source, as a tarball in $(TOP)/dist'
	@echo 'make packagetest  installs, upgrades, removes and purges it on an emulated machine, minutes'
	@echo 'make clean      remove build/'
	@echo 'SANITIZE=1      with ASan and UBSan, in build/sanitize; V=1 shows the commands'

# Packages. The stamp is renewed when the list changes.
$(TOP)/.deps-build: tests/install-deps
	@mkdir -p $(@D)
	$(Q)tests/install-deps build && touch $@
$(TOP)/.deps-manifests: tests/install-deps tests/npm/package-lock.json
	$(Q)tests/install-deps manifests && touch $@
$(TOP)/.deps-check: tests/npm/package-lock.json
$(TOP)/.deps-test $(TOP)/.deps-check: $(TOP)/.deps-%: tests/install-deps | $(TOP)/.deps-build
	$(Q)tests/install-deps $* && touch $@
$(TOP)/.deps-fuzz: tests/install-deps | $(TOP)/.deps-build
	$(Q)tests/install-deps fuzz && touch $@
$(TOP)/.deps-html: tests/install-deps | $(TOP)/.deps-build
	$(Q)tests/install-deps html && touch $@
$(TOP)/.deps-bench $(TOP)/.deps-services: $(TOP)/.deps-%: tests/install-deps | $(TOP)/.deps-test
	$(Q)tests/install-deps $* && touch $@
$(TOP)/.deps-package $(TOP)/.deps-image: $(TOP)/.deps-%: tests/install-deps | $(TOP)/.deps-build
	$(Q)tests/install-deps $* && touch $@
$(TOP)/.deps-vm $(TOP)/.deps-vm-arm64 $(TOP)/.deps-arm64: $(TOP)/.deps-%: tests/install-deps | \
		$(TOP)/.deps-test
	$(Q)tests/install-deps $* && touch $@

# Other flags or another version: compile again.
$(B)/.flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL))' | cmp -s - $@ || \
	 echo '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL))' > $@

# Kernel side: object, then a skeleton with the object embedded.
$(TOP)/gen/%.bpf.o: bpf/%.bpf.c | $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  BPF   $<'
	$(Q)$(CLANG) $(BPF_CFLAGS) -idirafter /usr/include/$(MULTIARCH) -MMD -MP -c $< -o $@
	$(Q)! command -v $(STRIP) >/dev/null || $(STRIP) -g $@
$(TOP)/gen/bench/%.bpf.o: bench/%.bpf.c | $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  BPF   $<'
	$(Q)$(CLANG) $(BPF_CFLAGS) -idirafter /usr/include/$(MULTIARCH) -MMD -MP -c $< -o $@
	$(Q)! command -v $(STRIP) >/dev/null || $(STRIP) -g $@
$(TOP)/gen/tests/%.bpf.o: tests/live/%.bpf.c | $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  BPF   $<'
	$(Q)$(CLANG) $(BPF_CFLAGS) -idirafter /usr/include/$(MULTIARCH) -MMD -MP -c $< -o $@
	$(Q)! command -v $(STRIP) >/dev/null || $(STRIP) -g $@
$(TOP)/gen/%.skel.h: $(TOP)/gen/%.bpf.o
	@echo '  SKEL  $@'
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf > $@

# The page of `report --html` as a C string, with the hash of its script, which is the only one that
# its policy lets a browser run.
$(TOP)/gen/output/page.html.h: user/output/page.html | $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  PAGE  $<'
	$(Q)hash=$$({ echo; sed '1,/^<script>$$/d; /^<\/script>$$/,$$d' $<; } | sha256sum | cut -c -64 | \
		tr a-f A-F | basenc --base16 -d | base64) && \
	sed -e "s|@SCRIPT@|sha256-$$hash|" -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< > $@

# User side. Only user/source/, and the bench and the live tests for their own programs, see skeletons.
$(B)/obj/user/%.o: user/%.c $(B)/.flags | $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  CC    $<'
	$(Q)$(CC) $(CPPFLAGS_ALL) $(INC) $(DEPS_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(B)/obj/user/source/load.o $(B)/obj/user/source/rss.o: INC = -I $(TOP)/gen
$(B)/obj/user/source/load.o $(B)/obj/user/source/rss.o: | $(BPF_SKEL)
$(B)/obj/user/output/page.o: INC = -I $(TOP)/gen
$(B)/obj/user/output/page.o: | $(TOP)/gen/output/page.html.h

$(B)/apoptosis: $(USER_OBJ)
	@echo '  LD    $@'
	$(Q)$(CC) $^ $(LDFLAGS_ALL) $(DEPS_LIBS) -o $@
$(B)/apoptosis-symbols: $(SYMBOLS_OBJ) $(call src2obj,user/base/parse.c user/base/text.c)
	@echo '  LD    $@'
	$(Q)$(CC) $^ $(LDFLAGS_ALL) $(SYMBOLS_LIBS) -o $@

$(B)/obj/user/post/main.o: INC = $(POST_CFLAGS)
$(B)/apoptosis-post: $(POST_OBJ)
	@echo '  LD    $@'
	$(Q)$(CC) $^ $(LDFLAGS_ALL) $(POST_LIBS) -o $@

$(B)/obj/tests/%.o: tests/%.c $(B)/.flags | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  CC    $<'
	$(Q)$(CC) $(CPPFLAGS_ALL) -I tests $(INC) $(DEPS_CFLAGS) $(TEST_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(B)/obj/tests/live/%.o: INC = -I $(TOP)/gen/tests
$(LIVE_OBJ): | $(LIVE_SKEL)
$(B)/tests/unit: $(UNIT_OBJ) $(LIB_OBJ) $(SYMBOLS_LIB_OBJ)
$(B)/tests/unit: MORE_LIBS = $(SYMBOLS_LIBS)
$(B)/tests/live: $(LIVE_OBJ) $(LIB_OBJ) | $(LIVE_TOOL_BIN)
$(B)/tests/unit $(B)/tests/live:
	@mkdir -p $(@D); echo '  LD    $@'
	$(Q)$(CC) $^ $(LDFLAGS_ALL) $(DEPS_LIBS) $(MORE_LIBS) $(TEST_LIBS) -o $@
$(B)/tests/guards: $(B)/obj/tests/live/guards_tool.o $(LIB_OBJ)
$(B)/tests/breakout: $(B)/obj/tests/live/breakout_tool.o $(B)/obj/user/symbols/privileges.o
$(B)/tests/token: $(B)/obj/tests/live/token_tool.o $(LIB_OBJ)
# The program as the next version may be: what is pinned is of another format, and its version says so.
NEXT_SRC := user/main.c user/engine/engine.c user/engine/overview.c user/source/pins.c
NEXT_OBJ := $(NEXT_SRC:user/%.c=$(B)/obj/next/%.o)
$(B)/obj/next/%.o: user/%.c $(B)/.flags | $(BPF_SKEL) $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  CC    $< (next)'
	$(Q)$(CC) $(CPPFLAGS_ALL) -UAPO_VERSION -DAPO_VERSION='"next"' -DFORMAT='"2-"' $(DEPS_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(B)/tests/next: $(NEXT_OBJ) $(filter-out $(call src2obj,$(NEXT_SRC)),$(USER_OBJ))
# What tests/check/metrics looks at: the metrics of an invented status.
$(B)/tests/metrics: tests/check/metrics.c $(LIB_OBJ)
	@mkdir -p $(@D); echo '  LD    $@'
	$(Q)$(CC) $(CPPFLAGS_ALL) $(DEPS_CFLAGS) $(CFLAGS_ALL) $^ $(LDFLAGS_ALL) $(DEPS_LIBS) -o $@
$(LIVE_TOOL_BIN):
	@mkdir -p $(@D); echo '  LD    $@'
	$(Q)$(CC) $^ $(LDFLAGS_ALL) $(DEPS_LIBS) -o $@

# One file, one target, on the objects that it pulls from this archive. Thin, because members of
# different rooms have one name.
$(B)/obj/tests/fuzz/%.o: tests/fuzz/%.c $(B)/.flags | $(TOP)/.deps-fuzz
	@mkdir -p $(@D); echo '  CC    $<'
	$(Q)$(CC) $(CPPFLAGS_ALL) -I tests $(DEPS_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(TOP)/fuzz/parsers.a: $(filter-out $(B)/obj/user/source/%,$(LIB_OBJ)) $(SYMBOLS_LIB_OBJ)
	@echo '  AR    $@'
	$(Q)rm -f $@ && $(AR) rcsT $@ $^
$(FUZZERS): $(TOP)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(call src2obj,$(FUZZ_LIB)) $(TOP)/fuzz/parsers.a
	@echo '  LD    $@'
	$(Q)$(CC) $^ $(LDFLAGS_ALL) -fsanitize=fuzzer $(DEPS_LIBS) $(SYMBOLS_LIBS) -o $@

# Workloads are plain programs, also under SANITIZE, and static so that they run in any root; but
# for the one that is about the code of the C library that is installed.
STATIC := -static
$(TOP)/workloads/hoard: STATIC :=
GO_ENV := CGO_ENABLED=0 GO111MODULE=off GOFLAGS= GOCACHE=$(abspath $(TOP))/go-cache
$(TOP)/workloads/%: tests/workloads/%.c | $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  CC    $<'
	$(Q)$(CC) -D_GNU_SOURCE= -std=gnu11 -O2 -g -pthread $(WARN) -MMD -MP -MF $@.d $< $(STATIC) -o $@ -lm
$(TOP)/workloads/%: tests/workloads/%.go | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  GO    $<'
	$(Q)$(GO_ENV) $(GO) build -o $@ $<
$(TOP)/workloads/%: tests/workloads/%.cc | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  CXX   $<'
	$(Q)$(CXX) -O2 -g -Wall -Wextra -Werror -MMD -MP -MF $@.d $< -static -o $@
$(TOP)/workloads/%: tests/workloads/%.rs | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  RUSTC $<'
	$(Q)rustc -O -g -D warnings $< -o $@
# It describes to debuggers what it compiles in other ways than gcc.
$(TOP)/workloads/%-clang: tests/workloads/%.cc | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  CXX   $<'
	$(Q)$(CLANG)++ -O2 -g -Wall -Wextra -Werror $< -static -o $@
$(TOP)/workloads/%-stripped: tests/workloads/%.c | $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  CC    $<'
	$(Q)$(CC) -D_GNU_SOURCE= -std=gnu11 -O2 $(WARN) $< -s -o $@
$(TOP)/workloads/%-stripped: tests/workloads/%.go | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  GO    $<'
	$(Q)$(GO_ENV) $(GO) build -ldflags '-s -w' -o $@ $<
# The machine's own CPython, as a library and inside; what the latter has built in takes two libraries.
PYTHON_NAME = $(shell /usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_config_var("LDVERSION"))')
$(TOP)/workloads/embed_python: tests/workloads/embed_python.c | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  CC    $<'
	$(Q)$(CC) -O2 -g $(WARN) $< -lpython$(PYTHON_NAME) -o $@
$(TOP)/workloads/embed_python-static: tests/workloads/embed_python.c | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  CC    $<'
	$(Q)$(CC) -O2 -g $(WARN) $< -no-pie -Wl,-E -l:libpython$(PYTHON_NAME).a -lexpat -lz -lm -o $@
# CPythons of other releases than this machine.
$(TOP)/python/.done: tests/python | $(TOP)/.deps-test
	@echo '  GET   $(@D)'
	$(Q)tests/python $(@D) && touch $@
workloads: $(WORKLOADS)
$(TOP)/libbpf/.done: tests/libbpf | $(TOP)/.deps-test
	@mkdir -p $(@D)
	$(Q)tests/libbpf $(@D) && touch $@

$(TOP)/libsystemd/.done: tests/libsystemd | $(TOP)/.deps-test
	@mkdir -p $(@D); echo '  GET   $(@D)'
	$(Q)tests/libsystemd $(@D) && touch $@

$(B)/obj/bench/%.o: bench/%.c $(B)/.flags | $(BENCH_SKEL) $(TOP)/.deps-build
	@mkdir -p $(@D); echo '  CC    $<'
	$(Q)$(CC) $(CPPFLAGS_ALL) -I $(TOP)/gen/bench $(DEPS_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(B)/bench/runner: $(BENCH_OBJ) $(LIB_OBJ)
	@mkdir -p $(@D); echo '  LD    $@'
	$(Q)$(CC) $^ $(LDFLAGS_ALL) $(DEPS_LIBS) -o $@

unit: $(B)/tests/unit $(B)/apoptosis-symbols
	APOPTOSIS_SYMBOLS=$(abspath $(B)/apoptosis-symbols) \
		$(B)/tests/unit $(if $(TESTS),--filter '$(TESTS)') $(TESTFLAGS)

# One at a time: each live test owns the machine's memory for a moment.
live: $(B)/tests/live all $(WORKLOADS) $(TOP)/image/.done | $(TOP)/.deps-test
	$(AS_ROOT) env APOPTOSIS=$(abspath $(B)/apoptosis) WORKLOADS=$(abspath $(TOP)/workloads) \
		APOPTOSIS_IMAGE='$(abspath $(TOP)/image)/oci:$(VERSION)' \
		$(TRIES) $(B)/tests/live --jobs 1 $(if $(TESTS),--filter '$(TESTS)') $(TESTFLAGS)

# Without a kernel: Python and its standard library.
model: | $(TOP)/.deps-test
	$(Q)tests/model/run $(if $(WORD),'$(WORD)')

test: all $(B)/tests/unit $(B)/tests/live $(WORKLOADS)
	$(Q)$(MAKE) unit
	$(Q)$(MAKE) live TRIES=tests/live/twice

# Built by a make of its own: FUZZ chooses compiler and directory.
ifdef FUZZ
fuzz: $(FUZZ_RUN)
else
fuzz: | $(TOP)/.deps-fuzz
	+$(Q)$(MAKE) FUZZ=1 fuzz
	$(Q)FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/fuzz/run $(TOP)/fuzz $(notdir $(FUZZ_RUN))
endif

htmltest: $(B)/apoptosis | $(TOP)/.deps-html
	$(Q)tests/html/run $<

# Without root: the machines are emulated. The script makes vmtest-arm64 if one of them is arm64.
vmtest: $(TOP)/apoptosis $(TOP)/apoptosis-symbols $(TOP)/apoptosis-post $(TOP)/tests/live $(WORKLOADS) | $(TOP)/.deps-vm
	$(Q)TESTS='$(TESTS)' JOBS='$(JOBS)' REPEAT='$(REPEAT)' tests/vm/run $(KERNEL)

vmbench: $(TOP)/apoptosis $(TOP)/apoptosis-symbols $(TOP)/apoptosis-post $(TOP)/tests/live $(TOP)/bench/runner $(WORKLOADS) | $(TOP)/.deps-vm
	$(Q)BENCHFLAGS='$(BENCHFLAGS)' tests/vm/bench $(KERNEL)

systemdtest: $(TOP)/apoptosis $(TOP)/apoptosis-symbols $(TOP)/workloads/victim | $(TOP)/.deps-vm
	$(Q)tests/vm/systemd

oomdtest: $(TOP)/apoptosis $(TOP)/apoptosis-symbols $(TOP)/workloads/victim | $(TOP)/.deps-vm
	$(Q)tests/vm/oomd

podmantest: $(TOP)/image/.done $(TOP)/workloads/victim | $(TOP)/.deps-vm $(TOP)/.deps-manifests
	$(Q)tests/vm/podman '$(VERSION)'

dockertest: $(TOP)/image/.done $(TOP)/workloads/victim | $(TOP)/.deps-vm
	$(Q)tests/vm/docker '$(VERSION)'

packagetest: $(TOP)/workloads/victim | $(TOP)/.deps-package $(TOP)/.deps-vm
	$(Q)tests/vm/package '$(VERSION)'

vmtest-arm64: | $(TOP)/.deps-arm64 $(TOP)/.deps-vm-arm64
	+$(Q)MAKE='$(MAKE)' tests/check/arm64 --build

support-table:
	$(Q)tests/vm/support-table README.md

demo: all $(TOP)/workloads/victim
	$(Q)$(AS_ROOT) bench/demo $(B)/apoptosis $(TOP)/workloads/victim

# Not part of any test: two minutes, and a picture for docs.
dashboard: all $(TOP)/workloads/victim | $(TOP)/.deps-check
	$(Q)$(AS_ROOT) tests/dashboard/run $(B)/apoptosis $(TOP)/workloads/victim docs/dashboard.svg

bench: $(B)/bench/runner all $(WORKLOADS) | $(TOP)/.deps-bench $(TOP)/.deps-services
	$(AS_ROOT) env APOPTOSIS=$(abspath $(B)/apoptosis) WORKLOADS=$(abspath $(TOP)/workloads) \
		SUBJECTS=$(abspath bench/subjects) SERVICES=$(abspath tests/services) \
		$(B)/bench/runner $(if $(QUICK),--quick) $(if $(BENCH),--sections $(BENCH)) $(BENCHFLAGS)

# Two builds by what must not get worse: OLD is the path of the other one.
compare: $(B)/bench/runner all $(WORKLOADS) | $(TOP)/.deps-bench $(TOP)/.deps-test
	$(AS_ROOT) env RUNNER=$(abspath $(B)/bench/runner) WORKLOADS=$(abspath $(TOP)/workloads) \
		SUBJECTS=$(abspath bench/subjects) bench/compare '$(OLD)' $(abspath $(B)/apoptosis) $(ROUNDS)

# The skeletons are there so that static analysis sees user/source/ whole.
check: $(B)/apoptosis $(B)/tests/metrics $(BPF_SKEL) | $(TOP)/.deps-check
	$(Q)tests/check/run $(B)/apoptosis

check-arm64: | $(TOP)/.deps-arm64
	+$(Q)MAKE='$(MAKE)' tests/check/arm64

fmt: | $(TOP)/.deps-check
	$(Q)tests/check/style --files | xargs clang-format -i

# Where the shells look, below share; each begins with the name of its shell.
COMPLETIONS := bash-completion/completions/apoptosis fish/vendor_completions.d/apoptosis.fish \
	$(if $(filter /usr,$(PREFIX)),zsh/vendor-completions,zsh/site-functions)/_apoptosis

# A path as a word of the shell, below DESTDIR: both may hold blanks.
to        = '$(subst ','\'',$(DESTDIR)$(1))'
IN_LIB   := $(PREFIX)/lib/apoptosis
IN_SHARE := $(PREFIX)/share
UNITDIR  := $(PREFIX)/lib/systemd/system
UNIT     := $(UNITDIR)/apoptosis.service
# A path of a unit, between quotes there, in the program of a sed that is written between single quotes.
sed_path  = $(subst ','\'',$(subst |,\|,$(subst &,\&,$(subst %,%%,$(1)))))

install: all
	install -D -m 755 $(B)/apoptosis $(call to,$(BINDIR)/apoptosis)
	install -D -m 755 $(B)/apoptosis-symbols $(call to,$(LIBEXECDIR)/apoptosis-symbols)
# Who runs it cannot read it, so that it begins undumpable: it is told a secret.
	install -D -m 711 $(B)/apoptosis-post $(call to,$(LIBEXECDIR)/apoptosis-post)
	install -d $(call to,$(IN_SHARE)/apoptosis/prometheus)
	install -m 644 $(addprefix deploy/prometheus/apoptosis.,rules.yml dashboard.json) $(call to,$(IN_SHARE)/apoptosis/prometheus)
	install -d $(call to,$(IN_LIB)/profiles.d) $(call to,$(DOCDIR)/LICENSES)
	$(foreach page,$(MANPAGES),install -D -m 644 docs/$(page) \
		$(call to,$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(page)) &&) :
	install -m 644 deploy/profiles.d/*.conf $(call to,$(IN_LIB)/profiles.d)
	install -m 644 deploy/apoptosis.conf $(call to,$(IN_LIB))
	install -m 644 docs/*.md docs/*.svg $(call to,$(DOCDIR))
	sed 's|](docs/|](|g' README.md > $(call to,$(DOCDIR)/README.md)
	install -m 644 LICENSES/* $(call to,$(DOCDIR)/LICENSES)
	$(foreach file,$(COMPLETIONS),install -d $(call to,$(IN_SHARE)/$(dir $(file))) && $(B)/apoptosis completion \
		$(firstword $(subst -, ,$(subst /, ,$(file)))) > $(call to,$(IN_SHARE)/$(file)) &&) :
	install -d $(call to,$(UNITDIR))
	sed 's|/usr/local/bin|$(call sed_path,$(BINDIR))|g' deploy/systemd/apoptosis.service > $(call to,$(UNIT))
	$(Q)chmod 644 $(call to,$(UNIT)) $(call to,$(DOCDIR)/README.md) $(foreach file,$(COMPLETIONS),$(call to,$(IN_SHARE)/$(file)))

# What runs is stopped first, but not when a package is being made.
uninstall:
ifeq ($(DESTDIR),)
	if [ -d /run/systemd/system ] && [ -e $(call to,$(UNIT)) ]; then systemctl disable --now apoptosis.service; fi
# What one that was killed has left, which nothing else takes away; with a mistake in its configuration, too.
	for config in '' '-c /dev/null'; do \
		[ ! -x $(call to,$(BINDIR)/apoptosis) ] || $(call to,$(BINDIR)/apoptosis) daemon $$config --detach-all && break; \
	done || :
endif
	rm -f $(call to,$(BINDIR)/apoptosis) $(call to,$(LIBEXECDIR)/apoptosis-symbols) $(call to,$(LIBEXECDIR)/apoptosis-post) $(call to,$(UNIT)) \
		$(foreach page,$(MANPAGES),$(call to,$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(page))) \
		$(foreach file,$(COMPLETIONS),$(call to,$(IN_SHARE)/$(file)))
# Others may have files there.
	rm -f $(foreach file,README.md $(notdir $(wildcard docs/*.md docs/*.svg)) $(wildcard LICENSES/*),$(call to,$(DOCDIR)/$(file)))
	for dir in $(call to,$(DOCDIR)/LICENSES) $(call to,$(DOCDIR)); do \
		[ ! -d "$$dir" ] || rmdir --ignore-fail-on-non-empty "$$dir"; done
	rm -rf $(call to,$(IN_LIB)) $(call to,$(IN_SHARE)/apoptosis)
ifeq ($(DESTDIR),)
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
endif

# For containers: an OCI layout, without a registry or a daemon.
image: all | $(TOP)/.deps-image
	$(Q)deploy/container/image '$(VERSION)' $(TOP)/image
$(TOP)/image/.done: deploy/container/image $(B)/apoptosis $(B)/apoptosis-symbols $(B)/apoptosis-post | $(TOP)/.deps-test
	$(Q)deploy/container/image '$(VERSION)' $(TOP)/image >/dev/null && touch $@

deb: | $(TOP)/.deps-package
	$(Q)deploy/deb '$(VERSION)' $(TOP)/deb

# Of the last commit, with its time: the same bytes each time.
dist:
	@mkdir -p $(TOP)/dist && echo '$(VERSION)' > $(TOP)/dist/VERSION
	$(Q)umask 022 && git archive --format=tar --prefix='apoptosis-$(VERSION)/' --add-file=$(TOP)/dist/VERSION HEAD | \
		xz -9 -T1 > '$(TOP)/dist/apoptosis-$(VERSION).tar.xz' && echo '$(TOP)/dist/apoptosis-$(VERSION).tar.xz'

clean:
	rm -rf $(TOP)

-include $(USER_OBJ:.o=.d) $(SYMBOLS_OBJ:.o=.d) $(POST_OBJ:.o=.d) $(UNIT_OBJ:.o=.d) $(LIVE_OBJ:.o=.d) $(LIVE_TOOL_OBJ:.o=.d) $(NEXT_OBJ:.o=.d) $(BENCH_OBJ:.o=.d) $(FUZZ_OBJ:.o=.d) \
	$(BPF_SKEL:.skel.h=.bpf.d) $(BENCH_SKEL:.skel.h=.bpf.d) $(LIVE_SKEL:.skel.h=.bpf.d) \
	$(WORKLOADS:=.d)
