# The menu. Every target sets up what it needs from nothing, and is quick the second time.
#   make demo          two clusters, linked, with live traffic between them      make demo-down   end it, leave nothing
#   make test          every tier of tests, as CI runs them                      make check       lint, types, layers, budgets
#   make proxy         proxy/target/release/isthmus-proxy and isthmus-init       make images      OCI archives for the nodes
#   make lab-binaries  Kubernetes for the lab, compiled once                     make clean       what was built in this folder
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

.PHONY: help demo demo-down test check proxy lab-binaries images clean setup rust-tools

help:
	@sed -n '2,5s/^# *//p' Makefile

$(VENV)/.ready: requirements/dev.txt
	@echo "== python: packages from requirements/dev.txt"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Isthmus needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=python3.11 (or newer)."; exit 1; }
	@[ -x $(PY) ] || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@echo "$(CURDIR)" > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/isthmus-checkout.pth"
	@printf '#!/bin/sh\nexec "%s" -m isthmus "$$@"\n' "$(CURDIR)/$(PY)" > $(VENV)/bin/isthmus && chmod +x $(VENV)/bin/isthmus
	@touch $@

rust-tools:
	@command -v cargo >/dev/null || { echo "Isthmus needs Rust for its proxy: install it with rustup (https://rustup.rs) and run make again."; exit 1; }

$(VENV)/.rpc: $(VENV)/.ready tools/gen_rpc.py | rust-tools
	@echo "== rpc: Python modules from the proxy API's proto files"
	@$(PY) tools/gen_rpc.py
	@touch $@

setup: $(VENV)/.ready $(VENV)/.rpc

$(BINARIES): $(RUST) | rust-tools
	@echo "== proxy: release build (some minutes the first time)"
	@cd proxy && cargo build --release --locked -p isthmus-proxy -p isthmus-init
	@touch $@

proxy: $(BINARIES)

lab-binaries: setup
	@echo "== lab: Kubernetes in one binary (about 5 minutes the first time, then cached)"
	@$(ISTHMUS) lab build

images: setup proxy lab-binaries
	@echo "== images: control, proxy, demo"
	@$(ISTHMUS) lab images

demo: images
	@$(ISTHMUS) demo

demo-down: setup
	@$(ISTHMUS) lab down

check: setup rust-tools
	@tools/check

test: images
	@tools/test

clean:
	@rm -rf build dist artefacts proxy/target isthmus/rpc/*_pb2* isthmus/rpc/*_grpc* $(VENV) .pytest_cache .ruff_cache .hypothesis
