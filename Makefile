# Two commands on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PORT   ?= 8080
# What the chart is checked with.
CHART  := .venv-helm/.ready
# Test files that run at the same time, each with servers and a browser of its own.
AT_ONCE ?= 2

.DEFAULT_GOAL := help
.PHONY: help venv servers demo test check chart format bench chaos clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

venv: $(VENV)/.ready ## .venv with everything pinned

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "· setting up $(VENV)"
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh tests/setup.sh python
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

servers: ## the servers and the browser that tests use, through apt and npm when missing
	@sh tests/setup.sh

demo: venv ## a pretend hospital and a gateway in front of it
	@$(BIN)/lanyard demo --port $(PORT)

test: venv servers $(CHART) ## everything
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -n $(AT_ONCE) --dist loadfile --no-loadscope-reorder

check: venv ## format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

chart: venv $(CHART) ## the Helm chart: its schema written out of the settings, and its tests
	@$(BIN)/python -m tests.helm.values_schema
	@$(BIN)/python -m pytest tests/helm

$(CHART): helm/constraints.txt helm/sdk.txt helm/setup.sh
	@PYTHON=$(PYTHON) sh helm/setup.sh

format: venv
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: venv ## the figures, beside nginx and mod_auth_openidc
	@sh tests/setup.sh bench
	@$(BIN)/python -m benchmarks.run

# For one row: make chaos CHAOS='--fault F09'
chaos: venv servers ## each fault of docs/faults.md, in its long form
	@$(BIN)/python -m tests.chaos $(CHAOS)

clean:
	rm -rf $(VENV) .venv-helm .mypy_cache .ruff_cache .pytest_cache build *.egg-info
