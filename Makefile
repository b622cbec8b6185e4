# Each target makes its own virtual environment, .venv, when there is none.

PYTHON ?= python3
VENV ?= .venv
READY := $(VENV)/ready
INSTALLED := $(VENV)/installed

DEMO := recipes/pocket-en-de.yaml
# Settings in place of the demo's, such as systems.transformer.training.max_updates=100.
OPTIONS ?=

.PHONY: demo test check docs clean

demo: $(READY)
	$(VENV)/bin/nmt-bench $(DEMO) $(OPTIONS)

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n 2

check: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(INSTALLED)
	$(VENV)/bin/python scripts/make_reference.py

# These files say that an installation came to its end: one that failed is begun again.
$(READY): pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -e '.[bench]'
	touch $@

$(INSTALLED): $(READY)
	$(VENV)/bin/pip install --quiet -e '.[test,check]'
	$(VENV)/bin/pip install --quiet -e '.[oracles]' \
	  || echo 'kenlm could not be built (it needs a C++ compiler): its tests will be skipped'
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
