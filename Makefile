# `make bench` and `make test` are all there is to do on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# A file for the verdict of `make check`, as Markdown; by default it is printed. And its time.
VERDICT ?=
BUDGET ?= 10m

# asv makes environments of its own: with the versions of constraints.txt, and from this Python.
ASV = PIP_CONSTRAINT="$(abspath constraints.txt)" PATH="$(abspath $(BIN)):$$PATH" $(BIN)/asv
RANGE ?= --max-count=3 HEAD

# Processes that run tests, a file of tests each at a time.
JOBS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: bench test test-slow test-all mutants lint check baseline results asv asv-history asv-html clean

bench: $(STAMP)  ## the quick profile: five fitters on three scenarios, with its report
	$(BIN)/mixturebench run --profile quick

test: $(STAMP)  ## the tests to run before each commit, in minutes
	$(PYTEST) -m "not slow"

test-slow: $(STAMP)  ## the rest: asv over commits, a cluster, the article, coverage studies, kills
	$(PYTEST) -m slow

test-all: test test-slow  ## all tests

MUTANTS ?=
mutants: $(STAMP)  ## plant defects one at a time: does a test fail on each? MUTANTS='--help' says how
	$(BIN)/python -m tests.mutation $(MUTANTS)

lint: $(STAMP)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: $(STAMP)  ## compare with the baseline and the last release, until decided; fails unless it passes
	rm -rf results/check
	$(BIN)/mixturebench run --profile check --out results/check --budget $(BUDGET) \
		--against results/baseline --against results/release $(if $(VERDICT),--verdict $(VERDICT))

baseline: $(STAMP)  ## renew results/baseline, to be committed with what made it change
	rm -rf results/check
	$(BIN)/mixturebench run --profile check --no-report --out results/check
	$(BIN)/mixturebench baseline results/check

results: $(STAMP)  ## renew results/standard, docs/results.md and README's answer, for a commit: 20 minutes
	$(BIN)/mixturebench run --profile standard --no-report --out results/runs/standard
	$(BIN)/python -m benchmarks.studies results --run results/runs/standard

asv: $(STAMP)  ## measure this commit with asv: speed, memory and quality
	$(BIN)/asv machine --yes
	$(ASV) run --show-stderr 'HEAD^!'

asv-history: $(STAMP)  ## the same for the commits in RANGE, as git rev-list takes it, if not yet measured
	$(BIN)/asv machine --yes
	$(ASV) run --show-stderr --skip-existing-successful '$(RANGE)'

asv-html: $(STAMP)  ## all that asv measured so far, as pages
	$(ASV) publish
	@echo "Pages: results/asv/html/index.html, which a browser opens from a web server alone."
	@echo "Start $(BIN)/asv preview, and open the address that it names, http://127.0.0.1:8080/."

clean:  ## delete what make made, except the runs in results/
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev,data,dask,dip,peers,xlsx]'
	$(BIN)/python -m scenarios.kernels
	touch $(STAMP)
