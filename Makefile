# make test and make demo need only Python 3.10 or newer, make and g++. Everything goes into .venv.
PYTHON ?= python3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PY := .venv/bin/python
STAMP := .venv/.installed
SOURCES := $(shell find visionops -name '*.cpp' -o -name '*.h') CMakeLists.txt pyproject.toml constraints.txt

.PHONY: help install test demo build lint types notebooks docs bench clean

help:
	@echo "make test       install into .venv and run all tests"
	@echo "make demo       the main job on real photos, written to demo/index.html"
	@echo "make build      compile the kernels again after a change in C++"
	@echo "make lint       ruff          make types  mypy          make notebooks  execute them again"
	@echo "make docs       the site, written to build/site/index.html; every warning is an error"
	@echo "make bench      every benchmark, as tables and as JSON under benchmarks/results"

install: $(STAMP)

$(STAMP): $(SOURCES)
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || \
	  { echo "Python's venv is missing. On Debian: apt-get install python3-venv python3-dev"; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,demo,bench,docs,dev]'
	@touch $(STAMP)

# A process for each core, and one thread in each: threads that wait for each other on busy cores take three times as long.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS)

demo: $(STAMP)
	$(PY) -m visionops.cli demo -o demo/index.html

build:
	rm -f $(STAMP)
	$(MAKE) install

lint: $(STAMP)
	.venv/bin/ruff check .

# The package as a wheel lays it out, because type checkers follow no path tricks.
types: $(STAMP)
	rm -rf build/typed
	VISIONOPS_PURE=1 $(PY) -m pip install --quiet --no-deps --target build/typed .
	cd build/typed && ../../.venv/bin/mypy --config-file ../../pyproject.toml -p visionops

notebooks: $(STAMP)
	for source in notebooks/*.py; do \
	  .venv/bin/jupytext --to ipynb $$source && \
	  .venv/bin/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False \
	    $${source%.py}.ipynb || exit 1; done

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet -f docs/mkdocs.yml
	@echo "open build/site/index.html"

bench: $(STAMP)
	$(PY) -m visionops.cli bench all --json benchmarks/results

clean:
	rm -rf .venv build demo/index.html
