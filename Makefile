# `make demo` and `make test` install what they need into .venv; a stamp file makes the second call instant.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# One thread a worker: two workers of two threads each are slower on two cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-all check results docs clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt torch
	$(PIP) install --constraint constraints.txt --editable '.[dev,docs,amc,onnx,openvino,sparse,ray,limits,peers]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/brinell run quickstart

test: $(VENV)/.installed check
	$(PYTEST)

# The full cross products as well, of which `make test` tries a covering design (tests/covering.py).
test-all: $(VENV)/.installed check
	$(PYTEST) -m "cross or not cross"

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Pages and tables of the runs whose rows are in results/.
results: $(VENV)/.installed
	$(BIN)/python results/build.py

docs: $(VENV)/.installed results
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site build
