# Thin targets over cargo. Each says what it installs; without root it lists the command to run instead.

CARGO ?= cargo
# The tests of whole programs mostly wait for them, so more run at once than there are cores.
TEST_THREADS ?= 8
SHELL := /bin/bash
.DELETE_ON_ERROR:
# Seconds a fuzz target runs.
FUZZ_SECONDS ?= 60
# The profile that is measured: what is shipped where that was built already, else plain release.
TARGET := $(or $(CARGO_TARGET_DIR),target)
BENCH_PROFILE ?= $(if $(wildcard $(TARGET)/dist),dist,release)
# What is shipped has jemalloc; a first build does without.
SHIPPED := --features roundhouse/jemalloc
# As in BENCH_OPTIONS='--rows 1,3 --quick'; for bench-l4, bench-l7 and bench-registry.
BENCH_OPTIONS ?=
.PHONY: help run dist test soak lint fmt bench bench-l4 bench-l7 bench-lvs bench-registry peer-pingora fuzz build tools-build tools-test tools-bench tools-bench-l7 \
  tools-fuzz

help:
	@echo 'make run     build, start a gateway with the sample jobs, print what to try (Ctrl-C ends it)'
	@echo 'make dist    what is shipped, in target/dist: optimised as a whole, with jemalloc'
	@echo 'make test    the whole suite, against real servers'
	@echo 'make soak    the registry under faults and HTTP under attack, in full: some 9 minutes, a line of numbers each'
	@echo 'make lint    rustfmt, clippy, cargo-deny where it is installed'
	@echo 'make bench   bench-l4, bench-l7, then criterion benches of the pure parts'
	@echo "make bench-l4  L4 beside nginx and HAProxy, in benches/results (a quarter of an hour, and the build of profile dist)"
	@echo "make bench-l7  L7 beside nginx, HAProxy and pingora-proxy, in benches/results (half an hour, and both builds)"
	@echo "make bench-lvs  the IPVS sink beside ipvsadm, on a kernel with IPVS, in benches/results (five minutes)"
	@echo "make bench-registry  the registry's figures beside their aims, in benches/results (six minutes at most)"
	@echo 'make fuzz    each fuzz target for FUZZ_SECONDS (60)'

# ---- what a first user needs -------------------------------------------------------------------------------------

run: tools-build
	@echo 'Building (the first time takes a few minutes, later ones seconds) …'
	@$(CARGO) build --quiet -p roundhouse -p job-init
	@exec $(abspath $(TARGET))/debug/roundhouse tour

test: tools-build tools-test
	$(CARGO) build --workspace --all-targets
	ulimit -n $$(ulimit -Hn); RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --workspace

soak: tools-build tools-test
	$(CARGO) build --workspace --all-targets
	ulimit -n $$(ulimit -Hn); ROUNDHOUSE_SOAK=1 RUST_TEST_THREADS=1 $(CARGO) test -p roundhouse-tests --test faults
	ulimit -n $$(ulimit -Hn); ROUNDHOUSE_SOAK=1 RUST_TEST_THREADS=1 $(CARGO) test -p roundhouse-tests --test l7

# ---- what a developer needs --------------------------------------------------------------------------------------

lint: tools-build
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check bans licenses sources; \
	else echo 'cargo-deny is not installed; skipped (cargo install cargo-deny)'; fi

fmt:
	$(CARGO) fmt --all

build: tools-build
	$(CARGO) build --workspace

dist: tools-build
	$(CARGO) build --profile dist $(SHIPPED) -p roundhouse -p job-init -p lvs-sync --bins
	$(CARGO) build --profile dist -p roundhouse-access --lib

# Peers are measured as they are shipped, and so are we.
bench bench-l4 bench-l7: BENCH_PROFILE = dist

bench: bench-l4 bench-l7
	$(CARGO) bench -p roundhouse-benches

bench-l4: tools-build tools-bench
	$(CARGO) build --profile $(BENCH_PROFILE) $(SHIPPED) -p roundhouse -p roundhouse-benches --bin roundhouse --bin bench-l4
	ulimit -n $$(ulimit -Hn); $(TARGET)/$(BENCH_PROFILE)/bench-l4 $(BENCH_OPTIONS)

bench-l7: tools-build tools-bench-l7 peer-pingora
	$(CARGO) build --profile $(BENCH_PROFILE) $(SHIPPED) -p roundhouse -p roundhouse-benches --bin roundhouse --bin bench-l7
	ulimit -n $$(ulimit -Hn); $(TARGET)/$(BENCH_PROFILE)/bench-l7 $(BENCH_OPTIONS)

# No part of the workspace, and beside what is: nothing of it is built for anything else.
peer-pingora:
	$(CARGO) build --release --locked --manifest-path benches/peers/pingora/Cargo.toml --target-dir $(TARGET)/pingora

bench-lvs: tools-build
	@deploy/install-missing linux.uml:user-mode-linux ipvsadm:ipvsadm busybox:busybox-static ip:iproute2
	$(CARGO) build --profile $(BENCH_PROFILE) $(SHIPPED) -p roundhouse -p lvs-sync -p roundhouse-benches --bins
	$(TARGET)/$(BENCH_PROFILE)/bench-lvs $(BENCH_OPTIONS)

bench-registry: tools-build tools-bench
	$(CARGO) build --profile $(BENCH_PROFILE) $(SHIPPED) -p roundhouse -p roundhouse-benches --bins
	ulimit -n $$(ulimit -Hn); $(TARGET)/$(BENCH_PROFILE)/bench-registry $(BENCH_OPTIONS)

# No unsafe code of ours is under test, so no sanitizer; the coverage options need no more of nightly than a permission.
fuzz: tools-fuzz
	@cd fuzz && for target in $$($(CARGO) fuzz list); do \
	  echo "Fuzzing $$target for $(FUZZ_SECONDS) s …"; \
	  mkdir -p corpus/$$target && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none $$target \
	    corpus/$$target seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -verbosity=0 || exit 1; done

# ---- what the machine needs --------------------------------------------------------------------------------------

tools-build:
	@deploy/install-missing protoc:protobuf-compiler \
	  /usr/include/google/protobuf/descriptor.proto:libprotobuf-dev cc:gcc

tools-test:
	@deploy/install-missing etcd:etcd-server etcdctl:etcd-client script:bsdutils curl:curl unshare:util-linux ip:iproute2 dig:bind9-dnsutils perl:perl nft:nftables \
	  redis-server:redis-server redis-cli:redis-tools pg_ctlcluster:postgresql psql:postgresql-client \
	  mariadbd:mariadb-server mariadb:mariadb-client dnsmasq:dnsmasq-base openssl:openssl \
	  nghttp:nghttp2-client nghttpd:nghttp2-server nginx:nginx-light chromium:chromium slowhttptest:slowhttptest haproxy:haproxy wrk:wrk \
	  /usr/bin/python3:python3 /usr/lib/python3/dist-packages/h11/__init__.py:python3-h11 \
	  linux.uml:user-mode-linux ipvsadm:ipvsadm busybox:busybox-static strace:strace
	@tests/peers/install $(abspath $(TARGET))/peers

tools-bench:
	@deploy/install-missing etcd:etcd-server nginx:nginx-light \
	  /usr/lib/nginx/modules/ngx_stream_module.so:libnginx-mod-stream haproxy:haproxy wrk:wrk \
	  taskset:util-linux unshare:util-linux ip:iproute2

# pingora has zlib-ng, which builds with cmake, and no feature to leave it out.
tools-bench-l7: tools-bench
	@deploy/install-missing h2load:nghttp2-client cmake:cmake

tools-fuzz:
	@deploy/install-missing c++:g++
	@command -v cargo-fuzz >/dev/null || $(CARGO) install cargo-fuzz --locked
