# The menu. Every target sets up what it needs from nothing, and is quick the second time.
#   make demo          two clusters, linked, with live traffic between them      make demo-down   end it, leave nothing
#   make test          every tier of tests, as CI runs them                      make check       lint, types, layers, budgets
#   make proxy         proxy/target/release/isthmus-proxy and isthmus-init       make images      OCI archives for the nodes
#   make lab-binaries  Kubernetes for the lab, compiled once                     make bench       the proxies beside HAProxy and Envoy
#   make web           the dashboard's page, built into isthmus/dashboard/page   make fuzz        parsers of strangers' bytes, SECONDS each
#   make tuned         the proxy built by a profile of its work, for releases     make clean       what was built in this folder
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ISTHMUS := $(PY) -m isthmus
RUST := $(shell find proxy -name '*.rs' -not -path 'proxy/target/*' 2>/dev/null) $(wildcard proxy/Cargo.* proxy/*/Cargo.toml)
BINARIES := proxy/target/release/isthmus-proxy
WEB := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -name shapes.ts 2>/dev/null)
PAGE := isthmus/dashboard/page/index.html

# What a build says of itself; a tarball without git says nothing.
STAMP = ISTHMUS_GIT_SHA="$$(git rev-parse HEAD 2>/dev/null || true)" ISTHMUS_BUILD_DATE="$$(git log -1 --format=%cI 2>/dev/null || true)"

# sudo's PATH knows neither the caller's Rust nor Go's usual folder. Only the toolchain is taken from the caller's home; what is fetched
# and built goes to root's own caches, so that nothing in the caller's home becomes root's.
CALLER := $(if $(SUDO_USER),$(shell getent passwd "$(SUDO_USER)" | cut -d: -f6))
export PATH := $(CALLER:%=%/.cargo/bin:)$(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin
ifeq ($(RUSTUP_HOME)$(wildcard $(HOME)/.rustup),)
ifneq ($(wildcard $(CALLER)/.rustup),)
export RUSTUP_HOME := $(CALLER)/.rustup
endif
endif

.PHONY: help demo demo-down test fuzz bench tuned check proxy web lab-binaries images clean setup needs-rust needs-demo needs-test needs-check needs-tuned

help:
	@sed -n '2,7s/^# *//p' Makefile

$(VENV)/.ready: requirements/dev.txt
	@PYTHON=$(PYTHON) tools/needs setup python
	@echo "== python: packages from requirements/dev.txt"
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@echo "$(CURDIR)" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/isthmus-checkout.pth"
	@printf '#!/bin/sh\nexec "%s" -m isthmus "$$@"\n' "$(CURDIR)/$(PY)" > $(VENV)/bin/isthmus && chmod +x $(VENV)/bin/isthmus
	@touch $@

# What a target needs is said before anything is built for it.
needs-rust:
	@tools/needs proxy rust cc

needs-demo:
	@PYTHON=$(PYTHON) tools/needs demo root python rust cc

needs-test:
	@PYTHON=$(PYTHON) tools/needs test root python rust lint cc chromium tcpdump valgrind

needs-tuned:
	@PYTHON=$(PYTHON) tools/needs tuned root python rust profdata cc

needs-check:
	@PYTHON=$(PYTHON) tools/needs check python rust lint cc

$(VENV)/.rpc: $(VENV)/.ready tools/gen_rpc.py $(wildcard isthmus/rpc/proto/*.proto) | needs-rust
	@echo "== rpc: Python modules from the proxy API's proto files"
	@$(PY) tools/gen_rpc.py
	@touch $@

setup: $(VENV)/.ready $(VENV)/.rpc

$(BINARIES): $(RUST) | needs-rust
	@echo "== proxy: release build (some minutes the first time)"
	@cd proxy && $(STAMP) cargo build --release --locked -p isthmus-proxy -p isthmus-init
	@touch $@

proxy: $(BINARIES)

$(PAGE): $(WEB) isthmus/dashboard/shapes.py isthmus/dashboard/shapes_more.py tools/gen_shapes.py tools/page | $(VENV)/.ready $(VENV)/.rpc
	@echo "== web: the dashboard's page"
	@tools/page build

web: $(PAGE)

lab-binaries: setup
	@echo "== lab: Kubernetes in one binary (about 5 minutes the first time, then cached)"
	@$(ISTHMUS) lab build

images: setup proxy lab-binaries web
	@echo "== images: control, proxy, demo, prometheus"
	@$(ISTHMUS) lab images

demo: needs-demo images
	@$(ISTHMUS) demo

demo-down: setup
	@$(ISTHMUS) lab down

bench: setup proxy
	@$(PY) -m bench.proxies $(BENCH)

tuned: needs-tuned setup
	@$(STAMP) $(PY) -m bench.tuned

check: needs-check setup
	@tools/check

fuzz: needs-rust
	@tools/fuzz $(if $(filter command%,$(origin SECONDS)),$(SECONDS),60)

test: needs-test images
	@tools/test

clean:
	@rm -rf build dist artefacts web/dist web/node_modules web/src/shapes.ts isthmus/dashboard/page proxy/target isthmus/rpc/*_pb2* isthmus/rpc/*_grpc* $(VENV) .pytest_cache .ruff_cache .hypothesis
