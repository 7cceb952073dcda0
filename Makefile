# Needs Python 3.11 to 3.14 with venv and pip, and nothing else. `make` alone lists what there is to do.
# Two environments are made on first use and kept until poetry.lock changes: .tools holds Poetry alone, .venv what the lock says.

PYTHON ?= python3
FAMILY ?= iris
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export BENTOML_DO_NOT_TRACK := True

.DEFAULT_GOAL := help
.PHONY: help run test test-slow race train loadtest compare soak beside lint types imports notebook build clean
.DELETE_ON_ERROR:

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/run.stamp ## Train what is missing and serve on this machine; Ctrl-C stops (GATEWAY_PORT, MODEL_SERVER_PORT, TRAINING_PORT, TWOTIER_DATA)
	@exec $(BIN)/twotier up

test: lint types imports ## Check style, types and import rules, and run the tests, which must reach every branch
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(or $(WORKERS),3) --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=100

test-slow: .venv/test.stamp ## Run the tests that look closer at what others look at too: ten minutes more
	$(BIN)/python -m pytest --numprocesses $(or $(WORKERS),3) --dist loadfile -m slow

race: .venv/test.stamp ## Send 10,000 calls just as their idle connections are about to be closed, and as many for each negative control
	RACE_CALLS=10000 $(BIN)/python -m pytest -s tests/e2e/test_keep_alive.py

train: .venv/run.stamp ## Make a version of a family: make train FAMILY=iris [ESTIMATOR=log_reg]
	$(BIN)/twotier train $(FAMILY) $(if $(ESTIMATOR),--estimator $(ESTIMATOR))

loadtest: .venv/test.stamp ## Load both tiers: make loadtest [HOST=http://127.0.0.1:8000] [USERS=20] [SECONDS=30] [SCENARIO=mixed]
	$(BIN)/python -m loadtest $(if $(HOST),--host $(HOST)) --users $(or $(USERS),20) --seconds $(or $(SECONDS),30) --scenario $(or $(SCENARIO),mixed)

compare: .venv/test.stamp ## Measure twotier beside its peers, half an hour, and renew loadtest/RESULTS.md: make compare [QUICK=1] [SYSTEMS=twotier,bentoml]
	$(BIN)/python -m loadtest.compare $(if $(QUICK),--quick) $(if $(SYSTEMS),--systems $(SYSTEMS))

soak: .venv/test.stamp ## Send a million rows, a tenth of whose callers leave, and watch memory and sockets: make soak [REQUESTS=1000000]
	$(BIN)/python -m loadtest.soak --requests $(or $(REQUESTS),1000000)

beside: .venv/test.stamp ## Measure a lone caller beside calls of 10,000 wide rows and a training, six minutes, and renew loadtest/BESIDE.md: make beside [ROUNDS=5]
	$(BIN)/python -m loadtest.beside $(if $(ROUNDS),--rounds $(ROUNDS))

lint: .venv/test.stamp ## Check the style (flake8)
	$(BIN)/flake8

types: .venv/test.stamp ## Check the types (mypy, strict)
	$(BIN)/mypy

imports: .venv/test.stamp ## Check which part may import which (import-linter)
	$(BIN)/lint-imports

notebook: .venv/test.stamp ## Run the notebooks; the results are in build/notebooks
	$(BIN)/python -m nbconvert --to notebook --execute --output-dir build/notebooks model_training/notebooks/*.ipynb

build: .venv/test.stamp ## Build the wheel into dist/ and the model server's Bento
	.tools/bin/poetry build --format wheel --clean
	$(BIN)/bentoml build

clean: ## Remove the environments and everything that was built; data/ stays
	rm -rf .venv .tools build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .import_linter_cache loadtest/results

include deploy/containers/containers.mk

# --- environments ---------------------------------------------------------------------------------------------------------------------

.venv/run.stamp: EXPORT := --extras gateway --extras model-server --extras training
.venv/test.stamp: EXPORT := --all-extras --all-groups
.venv/run.stamp .venv/test.stamp: poetry.lock pyproject.toml | .venv/bin/python .tools/stamp
	@echo 'Installing what poetry.lock says; the first time takes a minute or two.'
	.tools/bin/poetry export --quiet $(EXPORT) --output $(basename $@).txt
	.tools/bin/pip --python $(BIN)/python install --quiet --require-hashes --requirement $(basename $@).txt
	.tools/bin/pip --python $(BIN)/python install --quiet --no-deps --editable .
# What tests need includes what running needs.
	@touch .venv/run.stamp $@

.venv/bin/python .tools/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
	  echo "twotier needs Python 3.11 to 3.14, and $(PYTHON) is not that: make $(MAKECMDGOALS) PYTHON=python3.12, for example" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "$(PYTHON) cannot make environments: install its venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(@D:/bin=)

# The pip that came with an old Python overlooks the lock where one package asks for another with extras: it wants the newest one then.
.tools/stamp: | .tools/bin/python
	@.tools/bin/pip install --quiet pip==26.3
	@.tools/bin/pip install --quiet poetry==2.5.1 poetry-plugin-export==1.10.1
	@touch $@
