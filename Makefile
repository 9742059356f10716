# Every target makes its own virtual environment and re-installs only when the requirements changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MINUTES ?= 10  # of make fuzz

.PHONY: demo demo-check prove test fuzz lint clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(BIN)/python manage.py demo

demo-check: $(READY)
	$(BIN)/python manage.py demo --exit-after 75 --json

prove: $(READY)
	$(BIN)/python manage.py prove

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

$(READY): requirements.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) .demo .demo.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
