# For people: make run, make test. For maintainers: prove, night, bench, lock, sbom, clean.
PYTHON ?= python3
UV     := 0.13.9
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --build-constraints requirements-dev.lock
LOCK   := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --all-extras pyproject.toml
FRONT  := $(shell find frontend -type f -not -path '*/node_modules/*')
PYTEST := $(BIN)/python -m pytest
# tests wait for disks and processes more than they compute; those of a file share what it made
TOGETHER := -n $(shell expr 2 \* $$(nproc 2>/dev/null || echo 2)) --dist loadfile --no-loadscope-reorder

.PHONY: install run test check prove night bench lock sbom clean
install: $(VENV)/.self
run: install
	$(BIN)/pli story
	$(BIN)/pli serve

test: $(VENV)/.dev
	@$(BIN)/python tests/browser/chromium.py
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) $(TOGETHER) -m 'counted and not night and not alone' --cov --cov-branch --cov-report=
	$(BIN)/coverage report --skip-covered --fail-under=100 --include='crypto/*,domain/*,ledger/*,replay/verifier.py'
	$(PYTEST) $(TOGETHER) -m 'not counted and not night and not alone'
	$(PYTEST) -p no:xdist -m 'alone and not night'
	@$(BIN)/python tests/tools.py       # last line: every 'not met' of both runs
check: test

prove: export PLI_SIZE = full
prove: ALSO = and not night
night: export PLI_SIZE = night
prove night: $(VENV)/.dev
	@$(BIN)/python tests/browser/chromium.py
	$(PYTEST) $(TOGETHER) -m 'not alone $(ALSO)'
	$(PYTEST) -p no:xdist -m 'alone $(ALSO)'
	@$(BIN)/python tests/tools.py

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Pli needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
$(VENV)/.lock: requirements.lock | $(BIN)/uv
	$(PIP) --require-hashes -r requirements.lock && touch $@
$(VENV)/.self: pyproject.toml hatch_build.py $(FRONT) $(VENV)/.lock
	$(PIP) --editable . && touch $@
$(VENV)/.dev: requirements-dev.lock $(VENV)/.self
	$(PIP) --require-hashes -r requirements-dev.lock && touch $@

lock: | $(BIN)/uv
	$(LOCK) -o requirements.lock
	$(LOCK) --group dev -c requirements.lock -o requirements-dev.lock
sbom: $(VENV)/.dev
	mkdir -p dist
	$(BIN)/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o dist/pli.cdx.json
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.bench
clean:
	rm -rf $(VENV) api/web/static frontend/node_modules dist   # the data in var/ stay
