# `make demo`, `make demo-text` and `make test` need Python 3.11 or newer, pip and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Small matrix products on several threads crawl when another process wants a core.
test attack test-oldest gpu-stand-in doctest: export OMP_NUM_THREADS ?= 1
test attack test-oldest gpu-stand-in doctest: export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help venv demo demo-text test attack test-oldest lint doctest docs dist gpu \
	gpu-stand-in clean

help:
	@echo "make demo   install into $(VENV) and run the quick start on real images"
	@echo "make demo-text  the same on texts"
	@echo "make attack try ten times as hard to break caches and votes as the tests do"
	@echo "make test   install into $(VENV) and run all tests"
	@echo "make test-oldest  the same with the oldest versions that are supported"
	@echo "make lint   check code style and types"
	@echo "make doctest run the examples in docstrings, README and docs"
	@echo "make docs   build the site into docs/_build/html"
	@echo "make dist   build the wheel and the source archive into dist, and check them"
	@echo "make gpu-stand-in  tests for CUDA without a card, with tensors that say they are on one"
	@echo "make gpu    CUDA tests and benchmarks with PYTHON and its packages as they are"

venv: $(BIN)/python

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

demo: venv
	$(BIN)/pip install --quiet ".[offline,frames]"
	$(BIN)/python examples/quickstart.py $(ARGS)

demo-text: venv
	$(BIN)/pip install --quiet ".[text]"
	$(BIN)/python examples/quickstart_text.py $(ARGS)

test: venv
	$(BIN)/pip install --quiet --editable ".[tests]"
	$(BIN)/python -m pytest -n auto $(ARGS)

attack: venv
	$(BIN)/pip install --quiet --editable ".[tests]"
	SKKNN_ATTACK=10 $(BIN)/python -m pytest -n auto tests/attacks $(ARGS)

# The lower bounds in pyproject.toml, each as it is written; they want Python 3.11.
test-oldest:
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python tests/oldest_versions.py > $(VENV)-oldest/oldest.txt
	$(VENV)-oldest/bin/pip install --quiet --constraint $(VENV)-oldest/oldest.txt \
		--editable ".[tests]"
	$(VENV)-oldest/bin/python -m pytest -n auto $(ARGS)

lint: venv
	$(BIN)/pip install --quiet --editable ".[lint]"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

doctest: venv
	$(BIN)/pip install --quiet --editable ".[tests]"
	$(BIN)/python -m pytest --doctest-modules skknn
	$(BIN)/python -m pytest --doctest-glob="*.md" --doctest-glob="*.rst" README.md docs/*.rst

docs: venv
	$(BIN)/pip install --quiet --editable ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

dist: venv
	$(BIN)/pip install --quiet --editable ".[release]"
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python tests/check_dist.py dist

# No environment of its own: a machine with a GPU has its torch already.
gpu:
	$(PYTHON) benchmarks/gpu.py $(ARGS)

gpu-stand-in: venv
	$(BIN)/pip install --quiet --editable ".[tests]"
	PYTHONPATH=tests $(BIN)/python -m pytest -n auto -p stand_in_card -m gpu $(ARGS)

clean:
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
