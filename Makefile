# What one types here. `make` alone lists it. Python 3.11-3.13 and make are enough.
# Written for make 3.81 and a POSIX shell, so that macOS's own tools do.

VENV = .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
PYTHON =
PYTEST_ARGS =
WORKERS = 2
LOCK_EXTRAS = example postgres search dev
LOCK_ARGS =
ARGS =

.PHONY: help demo test spark shap mutation lint lock benchmark kills clean distclean
.DEFAULT_GOAL := help

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP) ## play a year of real flights through the whole loop, in .demo/
	$(BIN)/vigil --project .demo demo

test: $(STAMP) ## run all tests (PYTEST_ARGS='tests/store -x' for some of them)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

# Not part of `make test`: pyspark is 450 MB that few need, and Spark compiles for minutes to count ten rows.
spark: $(STAMP) ## prove that Spark counts what DuckDB counts (installs pyspark into .spark/; needs Java 17 or later)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target .spark 'pyspark>=4.0.5,<4.1'
	PYTHONPATH=.spark $(BIN)/python -m pytest -n 0 tests/profile/test_spark.py tests/profile/test_spark_cluster.py tests/sources/test_spark.py

# Not part of `make test` either: with numba and LLVM shap is 210 MB that few need.
shap: $(STAMP) ## prove that SHAP values are what they say (installs shap into .shap/)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --no-deps --target .shap 'shap>=0.51,<1' slicer numba llvmlite
	PYTHONPATH=.shap $(BIN)/python -m pytest -n 0 tests/challenger/test_shapley.py tests/challenger/test_attempts.py

benchmark: $(STAMP) ## measure profiling beside a raw scan and other tools (ARGS='--rows 1000000 --json')
	$(BIN)/python -m benchmarks.profile $(ARGS)

kills: $(STAMP) ## kill the loop at step boundaries and run it again (ARGS='--trials 200 --seed 1')
	$(BIN)/python -m benchmarks.kills $(ARGS)

# Not part of `make test` either: each fault runs the tests that call it, which takes some seconds.
mutation: $(STAMP) ## plant faults in the rules that decide and count those that their tests find (installs mutmut into .mutation/; ARGS='--sample 200')
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target .mutation 'mutmut>=3.8,<4'
	nice -n 15 $(BIN)/python -m benchmarks.mutation $(ARGS)

lint: $(STAMP) ## check style, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Pins that still fit are kept; LOCK_ARGS=--upgrade takes the newest within pyproject.toml's bounds.
lock: $(STAMP) ## write requirements.lock from pyproject.toml (LOCK_ARGS=--upgrade for newer releases)
	@$$(command -v uv || echo $(BIN)/uv) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header $(LOCK_EXTRAS:%=--extra %) $(LOCK_ARGS) pyproject.toml --output-file requirements.lock
	@if grep -nE '://|^-' requirements.lock; then \
	  echo "requirements.lock must hold names, versions and hashes only: the lines above carry an address or an option." >&2; exit 1; \
	fi

clean: ## remove caches, builds and the demo's project
	rm -rf .demo .spark .shap .mutation mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## clean, and remove the virtual environment
	rm -rf $(VENV)

# The environment. PYTHON=/path/to/python chooses the interpreter; otherwise the newest one that fits is taken.
# uv installs in a third of pip's time; where none is found, pip brings the locked one, told of the index that pip is told of. Where uv cannot
# (no build for the platform, an index it cannot reach), pip installs all; it needs --no-deps beside the hashes: it stumbles over extras such
# as pandas[parquet], and the lock is complete without. uv brings pip only with --seed (MLflow asks for its version).
# Bytecode is compiled on all cores (these libraries take twice as long to import without it), without libraries' own tests (some ship files
# that do not compile) and without large parts that nothing here imports, or little by little.
$(STAMP): requirements.lock pyproject.toml
	@set -e; \
	fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'; \
	if [ -z "$(PYTHON)" ] && $(BIN)/python -c "$$fits" >/dev/null 2>&1; then found=$(BIN)/python; else \
	  found=; \
	  for candidate in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3 python); do \
	    if "$$candidate" -c "$$fits" >/dev/null 2>&1; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "vigil needs Python 3.11, 3.12 or 3.13; $(if $(PYTHON),$(PYTHON) is not one,none was found on PATH)." >&2; \
	    echo "Install one, or say where it is: make PYTHON=/path/to/python3.12" >&2; exit 1; \
	  fi; \
	  echo "Making $(VENV) with $$("$$found" --version)"; rm -rf $(VENV); \
	  if command -v uv >/dev/null 2>&1; then uv venv --quiet --seed --python "$$found" $(VENV); else "$$found" -m venv $(VENV); fi; \
	fi; \
	echo "Installing what requirements.lock names (about 1.5 GB; a minute or a few)"; \
	pip="$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps"; uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then \
	  awk '/^[^ #]/ { own = /^uv==/ } own' requirements.lock > $(VENV)/uv.txt; \
	  $$pip --require-hashes -r $(VENV)/uv.txt && uv=$(BIN)/uv || true; \
	  index=$$($(BIN)/python -m pip config list | sed -n "s/^[^.]*[.]index.url='\(.*\)'$$/\1/p" | head -n 1); \
	  if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; fi; \
	fi; \
	if [ -z "$$uv" ] || ! "$$uv" pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; then \
	  echo "Installing with pip, which takes longer"; \
	  $$pip --no-compile --require-hashes -r requirements.lock; \
	fi; \
	$(BIN)/python -W ignore -m compileall -qq -j 0 -x 'site-packages/(.*/tests?|databricks|faker|fontTools|matplotlib|mypy|plotly/graph_objs|plotly/validators|statsmodels)/' "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true; \
	$$pip --no-build-isolation --editable .; \
	touch $(STAMP)
