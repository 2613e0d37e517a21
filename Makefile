# Every target sets up what it needs: `make demo` or `make test` works from a fresh clone.
#
#   make demo        train on the sample in a real napari window, measure it, save demo.png
#   make test        the tests (eight minutes on two cores)
#   make test-all    the slow tests too
#   make test-gpu    the tests that need a graphics card
#   make lint        ruff, mypy and the import contracts
#   make bench       import time, dock opening time, pauses of the window
#   make peers       SegKit beside other programs, in turn: writes docs/benchmarks.md (25 minutes)
#   make pictures    the pictures of the docs, drawn anew in a real napari window
#   make setup       only the set-up (also: make venv)
#
# TORCH_INDEX names another index for torch and torchvision, for instance the smaller CPU one:
#   make demo TORCH_INDEX=<the CPU index that pytorch.org names>
# Of `make peers`: DATA is a folder of images, ROWS the groups of rows (all that train nothing), and
# PEERS_ARGS more: make peers ROWS="crf pixels" DATA=images PEERS_ARGS="--match 512"
# PYTHON names the interpreter to use, PYTEST_ARGS further options for pytest.

TORCH_INDEX ?=
PYTHON ?=
PYTEST_ARGS ?=
ROWS ?=
DATA ?=
PEERS_ARGS ?=
PARALLEL := -n 2 --dist loadfile

export TORCH_INDEX PYTHON

BIN := $(if $(filter Windows_NT,$(OS)),.venv/Scripts,.venv/bin)
ON_SCREEN := tools/on_screen.sh

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-gpu lint bench peers pictures setup venv

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

demo: setup
	$(ON_SCREEN) $(BIN)/segkit demo --screenshot demo.png

test: setup
	$(ON_SCREEN) $(BIN)/python -m pytest -m "not slow and not gpu" $(PARALLEL) $(PYTEST_ARGS)

test-all: setup
	$(ON_SCREEN) $(BIN)/python -m pytest -m "not gpu" $(PARALLEL) $(PYTEST_ARGS)

test-gpu: setup
	$(ON_SCREEN) $(BIN)/python -m pytest -m gpu $(PYTEST_ARGS)

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(ON_SCREEN) $(BIN)/python benchmarks/bench_import.py
	$(ON_SCREEN) $(BIN)/python benchmarks/bench_window.py

peers: setup .peers/packages.json
	$(BIN)/python -m benchmarks.peers $(ROWS) $(if $(DATA),--data $(DATA)) $(PEERS_ARGS)

.peers/packages.json: tools/setup_peers.py
	$(BIN)/python tools/setup_peers.py .peers

pictures: setup
	$(ON_SCREEN) $(BIN)/python tools/docs_pictures.py

venv setup: .venv/ready
	@$(BIN)/python tools/system_libraries.py

.venv/ready: pyproject.toml tools/setup.sh
	@tools/setup.sh
	@touch $@
