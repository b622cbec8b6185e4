# Each target makes its own virtual environment, .venv, when there is none.

PYTHON ?= python3
VENV ?= .venv
INSTALLED := $(VENV)/installed

DEMO := libreoffice-help-en-de-demo
# Settings in place of the demo's, for those in a hurry.
OPTIONS ?=

.PHONY: demo test check docs clean

demo: $(INSTALLED)
	$(VENV)/bin/nmt-train $(DEMO) $(OPTIONS)
	@echo
	printf '%s\n' \
	  'Click the OK button.' \
	  'Opens a dialog where you can select the file.' \
	  'Choose the menu to insert a table.' \
	  | $(VENV)/bin/nmt-translate runs/$(DEMO)/transformer

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n 2

check: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(INSTALLED)
	$(VENV)/bin/python scripts/make_reference.py

# The file says that an installation came to its end: one that failed is begun again.
$(INSTALLED): pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -e '.[test,check]'
	$(VENV)/bin/pip install --quiet -e '.[oracles]' \
	  || echo 'kenlm could not be built (it needs a C++ compiler): its tests will be skipped'
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
