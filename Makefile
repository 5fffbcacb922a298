# `make up` starts the product, `make test` proves it. Python 3.11 or newer is all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 --custom-compile-command "make lock"

.PHONY: up test lint check lock demo-reset try-backends bench-drift clean

# Compiled once and kept, also where the environment tells Python not to: it saves half a second of every start.
up: $(VENV)/installed
	@$(BIN)/python -m compileall -q bot
	@$(BIN)/aiops up

test: $(VENV)/installed-tests
	@$(BIN)/python -m compileall -q bot
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/installed-tests
	$(BIN)/ruff check bot tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

demo-reset: $(VENV)/installed
	@$(BIN)/aiops demo reset

try-backends: $(VENV)/installed-tests
	$(BIN)/python -m benchmarks.backends

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "aiops-bot needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 up"; exit 1; }
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked packages ..."
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/installed-tests: tests/requirements.lock $(VENV)/installed
	@echo "Installing the test packages ..."
	@$(PIP) --require-hashes -r tests/requirements.lock
	@touch $@

lock: | $(BIN)/python
	@$(PIP) uv
	$(LOCK) --extra build pyproject.toml -o requirements.lock
	$(LOCK) --extra build --extra dev -c requirements.lock pyproject.toml -o tests/requirements.lock

# The peer that drift is measured beside lives in an environment of its own: it is no part of the product.
.venv-river/installed:
	@$(PYTHON) -m venv .venv-river
	@.venv-river/bin/python -m pip install --quiet --disable-pip-version-check 'river==0.26.1'
	@touch $@

bench-drift: .venv-river/installed
	@PYTHONPATH=. .venv-river/bin/python -m benchmarks.drift

clean:
	rm -rf $(VENV) var build dist *.egg-info
