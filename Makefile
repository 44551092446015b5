# Everything a person types. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip, pyinfra and the lab must not be steered by what a shell happens to export.
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup browser lab lab-reset lab-down demo faults experiment-slow-delete test test-long \
	test-unit test-plan test-lab lint clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-23s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Make the virtual environment from the lock file

# A Debian base has python3 without venv; as root the package is a command away.
$(VENV)/.installed: requirements.lock
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "installing python3-venv"; apt-get update -q && apt-get install -qy --no-install-recommends python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@touch $@

lab: setup ## Build and start the lab: a real kubeadm cluster on this machine (root)
	$(BIN)/python -m lab up

lab-reset: setup ## Bring the lab back to a healthy stacked cluster
	$(BIN)/python -m lab reset

lab-down: setup ## Stop and remove the lab
	$(BIN)/python -m lab down

demo: setup ## The migration for real, with live writers, and its proof (root)
	$(BIN)/python -m demo

faults: setup ## Faults in every stage of real migrations; nothing may be lost (root)
	$(BIN)/python -m lab up
	$(BIN)/python -m faults

experiment-slow-delete: setup ## What makes pods slow after a migration by hand, measured (root)
	$(BIN)/python -m lab up
	$(BIN)/python -m experiments.slow_delete

test: lint lab browser ## Every test: checks, unit tests, plan and the real migration (root)
	$(BIN)/pytest tests

test-long: lab browser ## The tests that take more than five minutes each (root)
	$(BIN)/pytest tests -m long

test-unit: setup ## Tests that need no host; seconds
	$(BIN)/pytest tests/unit

test-plan: lab ## Tests of the order that pyinfra will run
	$(BIN)/pytest tests/plan

test-lab: lab browser ## Tests on the real cluster
	$(BIN)/pytest tests/lab

browser: # Debian's, for the tests that look at a report
	@command -v chromium >/dev/null || \
		{ echo "installing chromium"; apt-get update -q && apt-get install -qy --no-install-recommends chromium; }

lint: setup ## ruff, mypy and shellcheck
	@command -v shellcheck >/dev/null || \
		{ echo "installing shellcheck"; apt-get update -q && apt-get install -qy --no-install-recommends shellcheck; }
	shellcheck unstack/scripts/*.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: lab-down ## Remove the lab and the virtual environment
	rm -rf $(VENV) .lab .mypy_cache .ruff_cache .pytest_cache
