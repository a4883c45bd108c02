# Two commands are enough: `make demo` and `make test`. Everything local lies in .venv and $ARB_HOME.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export ARB_HOME ?= .arb
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test torture ui bench lock clean
.DEFAULT_GOAL := demo

# A stamp a layer: the second call finds it and installs nothing.
$(VENV)/.base: requirements/base.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned packages into $(VENV) (a minute or two, once) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/base.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.base
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

.venv-bench/.peers: requirements/bench.lock
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@echo "installing the benchmarks' peers into .venv-bench ..."
	@.venv-bench/bin/pip install --quiet --require-hashes -r requirements/bench.lock
	@touch $@

# Numba compiles the kernels when they are first used, which takes longer than the demo.
$(VENV)/.kernels: $(VENV)/.base $(wildcard $(patsubst %,arb_pipelines/%/*.py,market trading backtest backtest/bars allocation/simulation generator lake lake/recording))
	@echo "compiling the kernels (half a minute or more, once for each version) ..."
	@rm -rf build/warm && mkdir -p build && ARB_HOME=build/warm $(BIN)/arb demo --symbols 3 --minutes 1 --json >/dev/null 2>build/warm.log || { cat build/warm.log >&2; exit 1; }
	@rm -rf build/warm build/warm.log && touch $@

demo: $(VENV)/.kernels ## run the main job on generated books
	@$(BIN)/arb demo

ui: $(VENV)/.base ## Dagster on http://127.0.0.1:3000
	@$(BIN)/arb ui

test: $(VENV)/.dev ## lint, types, import rules, tests; LONG=--long for all of them
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(LONG)

torture: $(VENV)/.dev ## kill the engine at every point of a cycle, and audit each time
	@$(BIN)/python -m tests.torture

bench: $(VENV)/.dev .venv-bench/.peers ## benchmarks against their peers; writes build/bench.json
	@$(BIN)/python -m bench

lock: ## resolve the dependencies anew (needs uv)
	@for name in base dev bench; do \
	  case $$name in base) what="pyproject.toml --group build";; dev) what="pyproject.toml --extra cluster --group build --group dev -c requirements/base.lock";; bench) what="--group bench";; esac; \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-strip-extras --quiet $$what -o requirements/$$name.lock || exit 1; \
	done

clean:
	rm -rf $(VENV) .venv-bench build
