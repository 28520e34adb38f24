# Every target is what CI and pre-commit call too. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
DEV_STAMP := $(VENV)/.stamp-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help setup demo test format lint reports drift bench check clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo "specdiff needs Python 3.11 or newer; install it, or run make PYTHON=/path/to/python3"; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv) >/dev/null; \
	  else echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; fi; fi
	@$(PYTHON) -m venv $(VENV)

$(STAMP): requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "setting up $(VENV)"
	@$(PIP) install -r requirements.txt
	@$(PIP) install --no-deps -e .
	@$(BIN)/python -m compileall -q specdiff  # as an installed package has it; a start takes half as long
	@touch $@

$(DEV_STAMP): requirements-dev.txt $(STAMP)
	@$(PIP) install -r requirements-dev.txt
	@touch $@

setup: $(DEV_STAMP)  ## make the virtual environment

demo: $(STAMP)  ## check gpt-oss-120b against the installed transformers, and write reports/gpt-oss-120b
	@$(BIN)/specdiff check specs/gpt-oss-120b.yaml --report-dir reports/gpt-oss-120b

test: $(DEV_STAMP)  ## run the test suite
	@$(BIN)/python -m pytest -q -n 2

format: $(DEV_STAMP)  ## format the code
	@$(BIN)/ruff format specdiff tests benchmarks
	@$(BIN)/ruff check --fix --quiet specdiff tests benchmarks || true

lint: $(DEV_STAMP)  ## formatting, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet specdiff tests benchmarks
	@$(BIN)/ruff check --quiet specdiff tests benchmarks
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > .lint-imports.log || (cat .lint-imports.log; rm -f .lint-imports.log; exit 1); rm -f .lint-imports.log

reports: $(STAMP)  ## rebuild reports/ from the specs: a page per model, an index, all facts as CSV
	@$(BIN)/specdiff gallery specs/*.yaml --output reports

drift: reports  ## rebuild reports/ and fail where what is committed differs
	@changed="$$(git status --porcelain -- reports)"; test -z "$$changed" || (echo "$$changed"; echo "reports/ is not what the code gives: run make reports, look at the difference, commit it"; exit 1)

bench: $(DEV_STAMP)  ## parameters over the whole library, speed ratios, what following forward costs, time and size of renderings, drawings against operations
	@$(BIN)/python benchmarks/parameters.py
	@$(BIN)/python benchmarks/speed.py
	@$(BIN)/python benchmarks/forward_cost.py
	@$(BIN)/python benchmarks/rendering.py
	@$(BIN)/python benchmarks/drawings.py

check: lint test  ## everything CI runs

clean:  ## remove the virtual environment
	@rm -rf $(VENV)
