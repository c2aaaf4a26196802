# make demo   find interference in a scene made for it, with the bundled model
# make test   lint, types and the fast tests
# make slow   the slow tests
# make bench  measure the speed of the models; writes docs/performance.md and .json
# make clean  remove what these made, .venv included

PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
WORKERS ?= 2

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# an editable install for development, or a plain one that is repeated when the sources change
DEV_STAMP := $(VENV)/.installed-dev
PLAIN_STAMP := $(VENV)/.installed
STAMP := $(if $(wildcard $(DEV_STAMP)),$(DEV_STAMP),$(PLAIN_STAMP))
SOURCES := $(shell find rfiscan models -type f -not -path '*/__pycache__/*' 2>/dev/null)

# one thread per test worker: more would fight over the same cores
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

.PHONY: demo test slow bench clean

demo: $(STAMP)
	$(BIN)/rfiscan simulate --out $(DEMO)/scenes --count 1 --seed 11 --mode IW
	$(BIN)/rfiscan detect $(DEMO)/scenes/simulated_0000.tif --out $(DEMO)/results
	@echo
	@echo "The scene and its truth are in $(DEMO)/scenes, the results in $(DEMO)/results:"
	@ls $(DEMO)/results

test: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(TEST) -m "not slow"

slow: $(DEV_STAMP)
	$(TEST) -m slow

bench: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.speed

clean:
	rm -rf $(VENV) $(DEMO) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find rfiscan tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing rfiscan and its development tools into $(VENV); the first time takes a few minutes."
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(PLAIN_STAMP): pyproject.toml constraints.txt $(SOURCES) | $(BIN)/python
	@echo "Installing rfiscan into $(VENV); the first time takes a few minutes."
	$(PIP_INSTALL) .
	@touch $@
