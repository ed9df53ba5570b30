# Set-up and the two jobs: `make gan` trains and draws digits, `make test` proves the library.
# Each makes its own virtual environment in .venv first, with Numba where there is a wheel of it.
# More flags: make gan ARGS="--epochs 1"
# `make test-all` also tests the tests: the stand-in for a GPU, planted bugs, benchmarks, the wheel.
# `make browser-test` opens the pages in headless Chromium, which has to be there already.
# `make gpu` tests and measures on an NVIDIA GPU, with the python3 and CuPy that are there already.

ARGS ?=
IN_PARALLEL := -n auto --maxprocesses 4 --dist worksteal  # a process a core, up to 4; ARGS="-n 0": one
ifeq ($(OS),Windows_NT)
PYTHON ?= py
BIN := .venv/Scripts
else
PYTHON ?= python3
BIN := .venv/bin
endif

.PHONY: gan test test-all browser-test gpu lint clean

gan: .venv/ready
	$(BIN)/python examples/gan_mnist.py $(ARGS)

test: .venv/ready-test
	$(BIN)/python -m pytest $(IN_PARALLEL) $(ARGS)

test-all: .venv/ready-test
	$(BIN)/python -m pytest -m "not slow and not browser" $(IN_PARALLEL) $(ARGS)

browser-test: .venv/ready-browser
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

gpu:
	PYTHON=$(PYTHON) sh benchmarks/gpu.sh

lint: .venv/ready-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --only-binary numba,llvmlite --editable ".[fast]" \
		|| $(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -c "open('.venv/ready', 'w')"

.venv/ready-test: .venv/ready
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	$(BIN)/python -c "open('.venv/ready-test', 'w')"

.venv/ready-browser: .venv/ready-test
	$(BIN)/python -m pip install --quiet --editable ".[browser]"
	$(BIN)/python -c "open('.venv/ready-browser', 'w')"

.venv/ready-lint: .venv/ready
	$(BIN)/python -m pip install --quiet ruff==0.17.6 mypy==2.4.1
	$(BIN)/python -c "open('.venv/ready-lint', 'w')"

clean:
	$(PYTHON) -c "import shutil; shutil.rmtree('.venv', ignore_errors=True)"
