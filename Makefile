# Everything that a person or CI does with this repository. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
PYTHON_SET_UP := .venv/.set-up
NODE_SET_UP := node_modules/.set-up
AZ_SET_UP := .venv-az/.set-up
# Many tests wait for real processes: more of them at a time than there are processors. A file's tests share what it starts.
IN_PARALLEL := --numprocesses=4 --dist=loadfile
# What Ctrl-C ended has said so in a line: make, told by the same signal, adds none. It is to wait before its child has ended.
OR_INTERRUPTED = || { code=$$?; if [ $$code -eq 130 ]; then kill -INT $$PPID; exec sleep 0.3; else exit $$code; fi; }

.PHONY: help setup az-cli az-env demo examples run evict stop start empty fill test quick soak mutants kills fuzz check bench clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(PYTHON_SET_UP) $(NODE_SET_UP) ## make .venv, with .venv/bin/spot-responder, and node_modules; a second call installs nothing
	@:

az-cli: setup $(AZ_SET_UP) ## install Microsoft's az in .venv-az (700 MB), for the tests that run it and for make az-env
	@:

demo: setup ## play every scenario in a laptop Azure, with a live timeline; ends by itself
	@$(PYTHON) -m localazure demo $(OR_INTERRUPTED)

run: setup ## start the laptop Azure and the app, and stay; Ctrl-C ends it
	@$(PYTHON) -m localazure run $(OR_INTERRUPTED)

examples: setup ## play the examples of docs/operations.md on the laptop Azure, write them there, take the picture
	@$(PYTHON) -m localazure examples

evict: ## in the world of `make run`: evict a VM, VM=name
	@$(if $(VM),$(MAKE) setup,echo 'usage: make evict VM=name' >&2; exit 2)
	@$(PYTHON) -m localazure evict '$(VM)'

stop: ## in the world of `make run`: let its owner stop a VM, VM=name
	@$(if $(VM),$(MAKE) setup,echo 'usage: make stop VM=name' >&2; exit 2)
	@$(PYTHON) -m localazure stop '$(VM)'

start: ## in the world of `make run`: let its owner start a VM, VM=name
	@$(if $(VM),$(MAKE) setup,echo 'usage: make start VM=name' >&2; exit 2)
	@$(PYTHON) -m localazure start '$(VM)'

empty: ## in the world of `make run`: take all capacity from a pool, POOL=name
	@$(if $(POOL),$(MAKE) setup,echo 'usage: make empty POOL=name' >&2; exit 2)
	@$(PYTHON) -m localazure empty '$(POOL)'

fill: ## in the world of `make run`: give a pool its capacity back, POOL=name
	@$(if $(POOL),$(MAKE) setup,echo 'usage: make fill POOL=name' >&2; exit 2)
	@$(PYTHON) -m localazure fill '$(POOL)'

az-env: ## point az at the world of `make run`: eval "$(make -s az-env)"; LOGIN=operator for an operator's eyes
	@$(MAKE) setup >&2
	@$(PYTHON) -m localazure az-env $(if $(LOGIN),--login '$(LOGIN)')

test: setup ## run all tests; the pure packages must be covered, every branch
	@$(PYTHON) -m pytest $(IN_PARALLEL) --cov --cov-report=term-missing:skip-covered

quick: setup ## run what takes under a minute: the pure packages and the stories in virtual time
	@$(PYTHON) -m pytest $(IN_PARALLEL) tests/intake tests/decisions tests/responder tests/operators

soak: setup ## random schedules against the promises: SOAK_SCHEDULES=2000, SOAK_SEED=n to see a run again
	@$(PYTHON) -m soak --schedules '$(or $(SOAK_SCHEDULES),2000)' $(if $(SOAK_SEED),--seed '$(SOAK_SEED)')

mutants: setup ## deliberate bugs in the product, each of which the soak must catch
	@$(PYTHON) -m soak.mutants

kills: setup ## kill the real app again and again while 50 VMs recover; KILLS_SEED=n
	@$(PYTHON) -m soak.kills $(if $(KILLS_SEED),--seed '$(KILLS_SEED)')

fuzz: setup ## give the app mutated events and rubbish: FUZZ_CASES=n (5000), FUZZ_SEED=n
	@$(PYTHON) -m soak.fuzz $(if $(FUZZ_CASES),--cases '$(FUZZ_CASES)') $(if $(FUZZ_SEED),--seed '$(FUZZ_SEED)')

bench: setup ## take all figures of docs/performance.md into .local/bench.json; about a quarter of an hour
	@$(PYTHON) -m bench

check: setup ## ruff, mypy, import-linter, and Microsoft's Kusto parser over the queries
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@node tools/check_queries.mjs

clean: ## remove what make set up and what runs left behind
	rm -rf .venv .venv-az node_modules .local *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A python is taken only if it runs, is 3.13 and can make an environment: a pyenv shim may exist and do nothing.
.venv/bin/python:
	@for python in python3.13 "$$HOME"/.pyenv/versions/3.13*/bin/python3.13 python3 python; do \
	  if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; then \
	    echo "setup: a virtual environment in .venv, with $$("$$python" --version)"; \
	    exec "$$python" -m venv --clear .venv; \
	  fi; \
	done; \
	if command -v uv >/dev/null; then \
	  echo 'setup: a virtual environment in .venv, with the Python 3.13 that uv gets'; \
	  exec uv venv --quiet --clear --seed --python 3.13 .venv; \
	fi; \
	echo 'setup: Python 3.13 is missing: install python3.13 (with its venv module) or uv, then try again' >&2; \
	exit 1

$(PYTHON_SET_UP): requirements.txt constraints.txt requirements-dev.txt pyproject.toml | .venv/bin/python
	@echo 'setup: the packages of requirements-dev.txt, into .venv'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input -r requirements-dev.txt
	@echo 'setup: the operator'"'"'s commands, as .venv/bin/spot-responder'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input --no-deps --config-settings editable_mode=compat --editable .
	@touch $@

$(AZ_SET_UP): requirements-az.txt | $(PYTHON_SET_UP)
	@echo 'setup: the packages of requirements-az.txt, into .venv-az'
	@$(PYTHON) -m venv --clear .venv-az
	@.venv-az/bin/python -m pip install -qq --disable-pip-version-check --no-input -r requirements-az.txt
	@touch $@

$(NODE_SET_UP): package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || \
	  { echo 'setup: node 20 or newer is missing: install Node.js (with npm), then try again' >&2; exit 1; }
	@echo 'setup: the packages of package-lock.json, into node_modules'
	@npm ci --loglevel=error --no-progress >/dev/null
	@touch $@
