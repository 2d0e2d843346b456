# From an empty machine to a trained Llama: `make demo`, then `make test`. `make help` lists the rest.
# Everything lies in this folder: .venv (Python), target (Rust), build (wheels), demo (what the demo makes).

PYTHON ?= python3
CARGO ?= cargo
FUZZ_SECONDS ?= 600
# Python tests at a time; each may need 2 GB of memory.
TEST_WORKERS ?= 2
BIN := .venv/bin
# The locks name every package, so there is nothing to resolve.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

# One interpreter for every build of the extension: another would compile the bindings again.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export VIRTUAL_ENV := $(CURDIR)/.venv

.DEFAULT_GOAL := build
.PHONY: help build demo demo-data test lint soak fuzz docs wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do \
	    printf '  make %-10s %s\n' "$$name" "$$text"; done

build: .venv/.extension ## make .venv with the data half (no torch) and compile the engine into it

demo: .venv/.extension .venv/.dev ## raw text to a small trained Llama, in about five minutes
	examples/quickstart.sh

demo-data: .venv/.extension ## the demo up to the training rows: needs no torch
	examples/quickstart.sh --data-only

test: .venv/.extension .venv/.dev ## the Rust and the Python tests
	$(CARGO) test --workspace --release --locked --quiet
	$(BIN)/python -m pytest -m "not soak" -n $(TEST_WORKERS) --dist loadfile

lint: .venv/.dev ## formatting, lints and types
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --release --locked --quiet -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: .venv/.extension .venv/.dev ## the long proofs: SOAK_SIZE and SOAK_FOLDER say how much, and where
	$(BIN)/python -m pytest -m soak -s
	$(CARGO) test --release --locked -p prepcore --lib -- --ignored --nocapture resolve_100_million
	$(MAKE) fuzz

# libFuzzer comes with a crate and the coverage counters with the stable compiler, so nothing else is needed.
fuzz: .venv/.dev ## fuzz the readers of JSONL, Parquet and models, and the encoders, FUZZ_SECONDS (600) each
	$(BIN)/python fuzz/seeds.py build/fuzz/corpus
	fuzz/run.sh jsonl $(FUZZ_SECONDS)
	fuzz/run.sh parquet $(FUZZ_SECONDS)
	fuzz/run.sh model $(FUZZ_SECONDS)
	$(BIN)/python -m fuzz.encoders build/fuzz
	fuzz/run.sh encode $(FUZZ_SECONDS)

docs: .venv/.extension .venv/.dev ## build the guide into build/docs, with the help of every command
	$(BIN)/sphinx-build -q -W --keep-going -c docs -d build/doctrees . build/docs
	@echo build/docs/docs/index.html

wheel: .venv/.extension ## build the wheel into build/wheels
	$(BIN)/maturin build --release --locked --out build/wheels

clean: ## remove what was built and what the demo made; .venv stays
	rm -rf target build demo

# Stamps: each stands for what it names being done, and is as new as that.

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "error: Python 3.11 or newer \
	is needed, and '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)"; \
	echo "hint: make PYTHON=python3.12"; exit 1; } >&2
	@command -v $(CARGO) >/dev/null || { echo "error: the Rust toolchain is needed, and '$(CARGO)' is not found"; \
	echo "hint: see https://rustup.rs"; exit 1; } >&2
	@echo "The first time this downloads and builds, all of it inside this folder:"
	@echo "  for the engine: 65 MB of Python packages (260 MB installed), 25 MB of Rust crates; some minutes of compiling"
	@echo "  for training and tests, unless only 'make demo-data' is asked for: PyTorch and its friends; on Linux with"
	@echo "  the CUDA libraries that its wheels bring 3.1 GB (5.9 GB installed), elsewhere a tenth of that"
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.data: requirements/data.lock | .venv/.python
	$(PIP_INSTALL) -r $<
	@touch $@

.venv/.dev: requirements/dev.lock .venv/.data
	@echo "Installing PyTorch and what training and tests need: some minutes"
	$(PIP_INSTALL) -r $<
	@touch $@

.venv/.extension: .venv/.data $(RUST_SOURCES) pyproject.toml
	@echo "Compiling the engine: about four minutes on two cores the first time"
	PIP_QUIET=1 $(BIN)/maturin develop --release --locked --quiet
	@touch $@
