# make demo, make test, make lint: each sets up what it needs in .venv first.
# On Linux PyPI's torch is the CUDA build (several GB). For the small CPU build:
#   make demo PIP_FLAGS='--extra-index-url https://download.pytorch.org/whl/cpu'
PYTHON ?= python3
PIP_FLAGS ?=
BIN := .venv/bin
# Small networks gain nothing from more threads, and the tests have a worker for each core as it is.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: setup demo test test-slow bench gpu lint clean
setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(ONE_THREAD) $(BIN)/bnpgan train mic-gan --data digits --backbone mlp --steps 5000 --out runs/demo --overwrite --baselines

test: setup
	$(ONE_THREAD) $(BIN)/pytest -n auto

test-slow: setup
	$(ONE_THREAD) $(BIN)/pytest -n auto -m slow

gpu:  # on a machine with a GPU, by its own Python: see README
	$(PYTHON) benchmarks/gpu.py

bench: setup
	$(ONE_THREAD) $(BIN)/python benchmarks/samplers.py

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache
