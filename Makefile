# The habits of this project. `make test` and `make demo` set up everything they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A locked environment stays so for all targets. It is made anew, as what was installed before may
# have other versions.
LOCKED ?= $(if $(wildcard $(VENV)/ready-locked),1)
READY := $(VENV)/ready$(if $(LOCKED),-locked)
# A file of tests stays in one process, which makes its models and runs only once.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo test test-fast lint format bench fuzz gpu-check faults clean

help:
	@echo "make demo       train on generated road scenes, score, predict: about ten minutes"
	@echo "make test       all tests"
	@echo "make test-fast  the quick ones, a few minutes"
	@echo "make lint       check style; make format fixes what it can"
	@echo "make bench      measure; see bench/README.md"
	@echo "make fuzz       search for inputs that break a promise: 30 minutes for each reader;"
	@echo "                MINUTES=5 for less; see docs/security.md"
	@echo "make gpu-check  compare this machine's GPUs with its CPU; see docs/gpu.md"
	@echo "make faults     kill, fill disks, remove folders: is anything lost? an hour; see docs/security.md"
	@echo "make setup      only the environment in $(VENV)"
	@echo "                LOCKED=1: the versions that were tested, checked by hash; see docs/security.md"

setup: $(READY)

# PIP_DISABLE_PIP_VERSION_CHECK: a notice about pip itself is no help to a newcomer.
$(READY): export PIP_DISABLE_PIP_VERSION_CHECK = 1
$(READY): pyproject.toml $(if $(LOCKED),constraints/setup.txt)
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v[:2] <= (3, 13))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is `$(PYTHON) -V 2>&1`." \
	         "Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV): about 3 GB, a few minutes the first time."
	$(PYTHON) -m venv $(if $(LOCKED)$(wildcard $(VENV)/ready-locked),--clear) $(VENV)
ifneq ($(LOCKED),)
	$(BIN)/pip install --require-hashes --requirement constraints/setup.txt
	$(BIN)/pip install --no-deps --no-build-isolation --editable .
else
	$(BIN)/pip install --editable ".[dev,onnx,openvino,litert,int8,serve]"
endif
	@$(BIN)/python -m utils.opencv_check
	@touch $@

demo: $(READY)
	$(BIN)/python -m utils.commands.demo

test: $(READY)
	$(PYTEST)

test-fast: $(READY)
	$(PYTEST) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python -m bench.throughput
	$(BIN)/python -m bench.backbone_costs

# Goes on where it ended before: what it learned lies in .fuzz
MINUTES ?= 30
fuzz: export PIP_DISABLE_PIP_VERSION_CHECK = 1
fuzz: $(READY)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --editable ".[fuzz]"
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

gpu-check: $(READY)
	$(BIN)/python -m utils.commands.gpu_check

faults: $(READY)
	$(BIN)/python -m tests.faults --out runs/faults

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis *.egg-info
