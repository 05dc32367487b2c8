# make demo | make test work on a machine that has Python >= 3.11, make and a package index, and nothing of ours.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check
CORE   := $(VENV)/.installed-core
DEV    := $(VENV)/.installed-dev
INPUTS := pyproject.toml constraints.txt
JOBS   ?= 2
# those that need nothing but the package; fit_* and measure_networks say what else they want with --help
BENCHMARKS := trace_zoo timm_zoo_table estimate_rate lowering_ablation accuracy validate_truth tiled_speed against_zigzag against_vela

.PHONY: help setup demo test check lint types imports format bench notebooks clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(DEV)  ## make .venv and install everything, tools included

demo: $(CORE)  ## which ImageNet backbone on which chip, at 30 fps under 15 W?
	$(BIN)/codesign demo

test: $(DEV)  ## all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: lint types imports  ## lint, types, import contracts

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell hw_models search_spaces codesign tests benchmarks docs README.md CHANGELOG.md CONTRIBUTING.md
	$(BIN)/deptry hw_models search_spaces codesign

types: $(DEV)
	$(BIN)/mypy

imports: $(DEV)
	$(BIN)/lint-imports

format: $(DEV)  ## let ruff put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV)  ## the slow proofs; their results are committed under benchmarks/results
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py || exit 1; done

notebooks: $(DEV)  ## run every notebook
	$(BIN)/python -m pytest tests/test_notebooks.py

clean:  ## remove .venv and what the tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

# The stamps are newer than what was installed from: a second run installs nothing. Whoever has the development set has the core.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "codesign needs Python >= 3.11; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Next: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 2; }

$(CORE): $(INPUTS) | $(VENV)/bin/python
	@if [ ! -f $(DEV) ] || [ -n "$$(find $(INPUTS) -newer $(DEV))" ]; then \
		$(PIP) install --quiet -c constraints.txt -e .; fi
	@touch $@

$(DEV): $(INPUTS) | $(VENV)/bin/python
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $(CORE) $@
