VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export DAGSTER_HOME := $(CURDIR)
# `dg` asks which environment is active.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export BENTOML_DO_NOT_TRACK := True
export WHYLOGS_NO_ANALYTICS := 1
# Several processes with several threads each are slower than one thread each.
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check dev bench bench-monitoring bench-serving soak lock clean

# show every target
help:
	@awk '/^# /{text=substr($$0,3)} /^[a-z-]+:/{split($$1,name,":"); if (text) printf "  %-17s %s\n", name[1], text; text=""}' Makefile

# make the environment from the pinned, hashed list
setup: $(READY)

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $(READY)

# run the main job: the plant wears, the system sees it and renews its model
demo: $(READY)
	$(BIN)/ml-assets demo

# run the fast tests
test: $(READY)
	$(BIN)/pytest -q -n 2 -m "not slow"

# run all tests, those on real data and real servers too
test-all: $(READY)
	$(BIN)/pytest -q -n 2

# lint, types, layers, dependencies, declarations
check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyrefly check
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dg check toml
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dg check yaml
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dg check defs

# open the graph in a browser (http://localhost:3001)
dev: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dg dev --port 3001

# measure what the documents claim
bench: $(READY)
	$(BIN)/python -m benchmarks.gate_false_promotions
	$(BIN)/python -m benchmarks.naming_the_change
	$(BIN)/python -m benchmarks.sequential_test
	$(BIN)/python -m benchmarks.interval_coverage
	$(BIN)/python -m benchmarks.audited_performance
	$(BIN)/python -m benchmarks.real_tables
	$(BIN)/python -m benchmarks.rehearsal_year
	$(BIN)/python -m benchmarks.promotions_after_drift
	$(BIN)/python -m benchmarks.year_backfill
	$(BIN)/python -m benchmarks.compiled_models
	$(BIN)/python -m benchmarks.skew_replay

# measure monitoring: the plant against its truth, the drift rule beside others, policies on real tables
bench-monitoring: $(READY)
	$(BIN)/python -m benchmarks.monitoring
	$(BIN)/python -m benchmarks.drift_operating_characteristics
	$(BIN)/python -m benchmarks.drift_decisions
	$(BIN)/python -m benchmarks.interventions
	$(BIN)/python -m benchmarks.rehearsed_policies

# measure the server beside others (needs wrk)
bench-serving: $(READY)
	$(BIN)/python -m benchmarks.serving

# ten minutes of everything at once: swaps, kills, wrong requests; every answer is judged
soak: $(READY)
	$(BIN)/python -m benchmarks.mixed_load --seconds 600 --seed 1

# pin the newest versions that fit pyproject.toml
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes \
		--no-emit-index-url --no-emit-find-links --quiet --upgrade --output-file requirements.lock
	$(BIN)/uv pip compile bentos/predictor/requirements.in --constraint requirements.lock \
		--universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-emit-index-url --no-emit-find-links --quiet --upgrade \
		--output-file bentos/predictor/requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra postgres --constraint requirements.lock \
		--universal --generate-hashes --no-annotate \
		--no-emit-index-url --no-emit-find-links --quiet --upgrade \
		--output-file deploy/requirements.lock

# remove the environment and all that runs have written
clean:
	rm -rf $(VENV) .ml_assets
