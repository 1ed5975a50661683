# `make help` lists what one can do. Needs Python 3.11 or 3.12 with venv (Debian: python3 and python3-venv) and make.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install install-dev run demo test drill lint bench bench-full screenshots system-packages clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install ## Start MongoDB, Redis and the web server; print the URL; Ctrl-C stops everything
	@exec $(PY) manage.py up

demo: install ## The same with generated visitors, without a rate limit; opens the dashboard
	@RATE_LIMIT_SEARCH= exec $(PY) manage.py up --demo

# Compiled modules are kept, whatever the environment says: tests start the project some hundred times.
test: export PYTHONDONTWRITEBYTECODE =

test: install-dev system-packages ## Run the whole suite against real servers, browser tests included
	@$(PY) -m pytest -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder

drill: install-dev system-packages ## Let servers fail under load, many times over, and count what is lost or stale (20 minutes, quiet machine)
	@$(PY) -m pytest -n 0 -m drill -o addopts="--strict-markers --strict-config -ra --import-mode=importlib"

lint: install-dev ## Check style, types, import contracts, templates, production settings, known vulnerabilities
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	find templates -name '*.html' -exec $(VENV)/bin/djade --check --target-version 5.2 {} +
	$(PY) manage.py check --deploy --fail-level WARNING
	$(PY) .ci/audit.py

# Settings of a production system, so that lint checks those and not a developer's.
lint: export SECRET_KEY = $(shell head -c 60 /dev/urandom | base64 | tr -d '\n')
lint: export MONGO_URI = mongodb://mongo.example:27017/?replicaSet=speedscale
lint: export REDIS_URL = redis://redis.example:6379/0
lint: export ALLOWED_HOSTS = shop.example
lint: export METRICS_TOKEN = only-for-this-check
lint: export DEBUG = false
lint: export HTTPS = true

bench: install-dev ## Measure the promises of docs/ in a few minutes
	$(PY) -m bench

bench-full: install-dev ## Measure them at 3 million products
	$(PY) -m bench --full

screenshots: install-dev ## Take the pictures of README and docs from a running stack (make run)
	$(PY) manage.py screenshots

install: $(VENV)/.installed ## Create .venv and install what running needs

install-dev: $(VENV)/.installed-dev ## Install what tests, lint and benchmarks need

clean: ## Remove .venv and tool caches; data in .data stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

system-packages:
	@.ci/system-packages mongod browser nginx

# A .venv whose Python has gone or changed is made anew.
ifneq ($(shell $(PY) -c 'import pip, sys; print(sys.prefix != sys.base_prefix)' 2>/dev/null),True)
.PHONY: $(VENV)/pyvenv.cfg
endif

$(VENV)/pyvenv.cfg:
	@python=$$(.ci/find-python) && echo "Creating $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)

$(VENV)/.installed: $(VENV)/pyvenv.cfg requirements.txt requirements-embedded.txt requirements-fast.txt
	@echo "Installing packages into $(VENV), once; this takes a minute or two ..."
	@$(PIP) install --quiet -r requirements.txt -r requirements-embedded.txt
	@$(PIP) install --quiet -r requirements-fast.txt >$(VENV)/fast.log 2>&1 || \
		echo "Without gunicorn's parser in C (a C compiler is needed, see requirements-fast.txt): fine, only slower."
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@echo "Installing packages for development into $(VENV), once; this takes a minute or two ..."
	@$(PIP) install --quiet -r requirements-dev.txt
	@touch $@
