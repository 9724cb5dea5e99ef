# `make bench` and `make test` are all there is to do on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

VERDICT ?=

.PHONY: bench test lint check baseline asv clean

bench: $(STAMP)  ## the quick profile: four fitters on three scenarios, with its report
	$(BIN)/mixturebench run --profile quick

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest

lint: $(STAMP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: $(STAMP)  ## the gate: run its plan and compare it with results/baseline; 1 if it regressed
	rm -rf results/check
	$(BIN)/mixturebench run --profile check --out results/check
	$(BIN)/mixturebench compare results/baseline results/check \
		$(if $(VERDICT),--format markdown --out $(VERDICT))

baseline: $(STAMP)  ## renew results/baseline, to be committed with what made it change
	rm -rf results/check
	$(BIN)/mixturebench run --profile check --out results/check
	$(BIN)/mixturebench baseline results/check

asv: $(STAMP)  ## time this commit with asv
	$(BIN)/asv machine --yes
	PIP_CONSTRAINT=$(abspath constraints.txt) PATH="$(abspath $(BIN)):$$PATH" $(BIN)/asv run --show-stderr 'HEAD^!'

clean:  ## what make made, the runs in results/ excepted
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev,data,dask,peers]'
	touch $(STAMP)
