# make demo, make test, make docs, make lint: each sets up what it needs in .venv first.
# On Linux PyPI's torch is the CUDA build (several GB). For the small CPU build:
#   make demo PIP_FLAGS='--extra-index-url https://download.pytorch.org/whl/cpu'
PYTHON ?= python3
PIP_FLAGS ?=
BIN := .venv/bin
# Small networks gain nothing from more threads, and the tests have a worker for each core as it is.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# Tests of a file stay with one worker as long as they can: what they share is made once.
WORKERS := -n auto --dist worksteal

.PHONY: setup demo test test-slow docs lowest bench gpu lint clean
setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(ONE_THREAD) $(BIN)/bnpgan train mic-gan --data digits --backbone mlp --steps 5000 --out runs/demo --overwrite --baselines

test: setup
	$(ONE_THREAD) $(BIN)/pytest $(WORKERS)

test-slow: setup
	$(ONE_THREAD) $(BIN)/pytest $(WORKERS) -m slow

docs: .venv/docs-ready
	$(ONE_THREAD) $(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

.venv/docs-ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint constraints.txt --editable '.[docs]'
	touch $@

# The core of the suite on the lowest versions that pyproject.toml allows; the package is read where it lies.
LOWEST := .venv-lowest/bin
lowest: .venv-lowest/ready
	$(ONE_THREAD) $(LOWEST)/python -m pytest $(WORKERS) -p no:cacheprovider $(CORE)

CORE := tests/test_data*.py tests/test_partition.py tests/test_priors.py tests/test_features.py tests/test_losses.py \
	tests/test_metrics.py tests/test_plotting.py tests/test_ranges.py tests/test_recipes.py tests/test_run_directory.py \
	tests/test_training.py tests/test_cli.py tests/components tests/models tests/samplers/test_clusterers.py \
	tests/samplers/test_compiled.py

.venv-lowest/ready: pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	sed -nE 's/^  "([a-z-]+)>=([0-9.]+).*/\1==\2/p' pyproject.toml > .venv-lowest/lowest.txt
	$(LOWEST)/pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint .venv-lowest/lowest.txt --editable . \
		pytest pytest-xdist hypothesis pandas
	touch $@

gpu:  # on a machine with a GPU, by its own Python: see README
	$(PYTHON) benchmarks/gpu.py

bench: setup
	$(ONE_THREAD) $(BIN)/python benchmarks/samplers.py

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf .venv .venv-lowest docs/_build docs/gallery docs/reference/bnpgan.*.rst build *.egg-info .pytest_cache .mypy_cache .ruff_cache
