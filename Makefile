# Every target makes its own virtual environment and re-installs only when the requirements changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MINUTES ?= 10  # of make fuzz

.PHONY: demo demo-check prove soak test fuzz lint lock audit clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(BIN)/python manage.py demo

demo-check: $(READY)
	$(BIN)/python manage.py demo --exit-after 75 --json

prove: $(READY)
	$(BIN)/python manage.py prove

soak: $(READY)
	$(BIN)/python manage.py soak --hours 1

test: $(READY)
	$(BIN)/python -m pytest

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python tests/checks.py

# The newest versions that the requirements allow, for every platform and Python from 3.11 on, with their files' hashes.
lock: $(READY)
	for name in requirements requirements-dev; do \
	    $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
	        --no-emit-index-url --no-header $$name.txt --output-file $$name.lock || exit 1; \
	done

# Asks a public database of vulnerabilities, and says so where none answers; not a part of lint, which needs no network.
audit: $(READY)
	$(BIN)/python tests/audit.py

$(READY): requirements.lock requirements-dev.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

clean:
	rm -rf $(VENV) .demo .demo.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
