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
CELERY_SET_UP := .venv-celery/.set-up
RECIPES_SET_UP := .venv-recipes/.set-up
AGENT_39_SET_UP := .venv-39/.set-up
WORKER_39_SET_UP := .venv-39/.set-up-worker
# Many tests wait for real processes: more of them at a time than there are processors. A file's tests share what it starts.
IN_PARALLEL := --numprocesses=4 --dist=loadfile
# What Ctrl-C ended has said so in a line: make, told by the same signal, adds none. It is to wait before its child has ended.
OR_INTERRUPTED = || { code=$$?; if [ $$code -eq 130 ]; then kill -INT $$PPID; exec sleep 0.3; else exit $$code; fi; }

.PHONY: help setup agent agent-39 worker worker-39 vm-package az-cli az-env celery recipes-env recipes worker-env guest demo trial trial-turned adopt examples run evict stop start empty fill fallback price wake test quick soak mutants soak-agent mutants-agent soak-worker mutants-worker soak-work mutants-work kills-worker kills fuzz check bench clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(PYTHON_SET_UP) $(NODE_SET_UP) ## make .venv, with .venv/bin/spot-responder, and node_modules; a second call installs nothing
	@:

agent: setup ## build dist/spot-agent.pyz, the agent inside the VM in one file, for any Python from 3.9 on
	@$(PYTHON) agent/build_pyz.py dist/spot-agent.pyz
	@echo 'dist/spot-agent.pyz'

agent-39: setup $(AGENT_39_SET_UP) ## compile the agent and run its tests under Python 3.9, the oldest one it knows
	@if [ -x .venv-39/bin/python ]; then \
	  .venv-39/bin/python -W error -m compileall -q -f agent/spot_agent && cd agent && ../.venv-39/bin/python -m pytest -q --numprocesses=2; \
	else echo 'agent-39: skipped, there is no python3.9 here'; fi

worker: setup ## build the wheels of the worker and of the agent, which it needs, into dist
	@# A build takes along whatever an earlier one left in its folder.
	@rm -rf agent/build worker/build
	@$(PYTHON) -m pip wheel -qq --disable-pip-version-check --no-input --no-deps --wheel-dir dist ./agent ./worker
	@rm -rf agent/build worker/build
	@ls dist/spot_agent-*.whl dist/spot_worker-*.whl

vm-package: agent worker ## build dist/spot-vm.tar.gz, which installs agent and worker on a VM, with their libraries
	@$(PYTHON) scripts/pack_vm.py dist/spot-vm.tar.gz
	@echo 'dist/spot-vm.tar.gz'

worker-39: setup $(WORKER_39_SET_UP) ## compile the worker and run its tests under Python 3.9, the oldest one it knows
	@if [ -x .venv-39/bin/python ]; then \
	  .venv-39/bin/python -W error -m compileall -q -f worker/spot_worker && cd worker && ../.venv-39/bin/python -m pytest -q --numprocesses=4; \
	else echo 'worker-39: skipped, there is no python3.9 here'; fi

az-cli: setup $(AZ_SET_UP) ## install Microsoft's az in .venv-az (700 MB), for the tests that run it and for make az-env
	@:

celery: setup $(CELERY_SET_UP) ## install Celery in .venv-celery, a peer in the bench of the worker
	@:

recipes-env: setup $(RECIPES_SET_UP) ## install what the recipes of the agent are tried with in .venv-recipes (300 MB)
	@:

recipes: celery recipes-env ## play the recipes of the agent with the real software; some fifteen minutes. RECIPE=name for one
	@$(PYTHON) -m bench.recipes $(RECIPE) $(OR_INTERRUPTED)

demo: setup ## play every scenario in a laptop Azure, with a live timeline; ends by itself
	@$(PYTHON) -m localazure demo $(OR_INTERRUPTED)

run: setup ## start the laptop Azure and the app, and stay; Ctrl-C ends it. FUNCTION=MODULE:FUNCTION WORK=folder: work of your own
	@$(PYTHON) -m localazure run $(if $(FUNCTION),--function '$(FUNCTION)') $(if $(WORK),--work '$(WORK)') $(OR_INTERRUPTED)

trial: setup ## try the beliefs about Azure in a laptop Azure: .local/trial.json; `spot-responder trial` tries them in Azure
	@$(PYTHON) -m localazure trial $(OR_INTERRUPTED)

trial-turned: setup ## turn each belief in the laptop Azure, one at a time: the trial must find out that one alone; BELIEFS='E1 G1'
	@$(PYTHON) -m tests.trial.turns.turned $(BELIEFS) $(OR_INTERRUPTED)

adopt: setup ## make fixtures of the evidence of a trial in Azure, and mark the beliefs: TRIAL=.local/trial-<date>-<time>.json
	@$(PYTHON) scripts/adopt_trial.py $(if $(TRIAL),'$(subst ','\'',$(TRIAL))')

examples: setup ## play the examples of docs/commands.md on the laptop Azure, write them there, take the picture
	@$(PYTHON) -m localazure examples

evict: ## in the world of `make run`: evict a VM, VM=name; NOTICE=10: seconds, started or cancelled
	@$(if $(VM),$(MAKE) setup,echo 'usage: make evict VM=name [NOTICE=10]' >&2; exit 2)
	@$(PYTHON) -m localazure evict '$(VM)' $(if $(NOTICE),--notice '$(NOTICE)')

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

fallback: ## in the world of `make run`: name the sizes that a VM may come back as, VM=name SIZES=size,size; SIZES= takes them off
	@$(if $(and $(VM),$(filter-out undefined,$(origin SIZES))),$(MAKE) setup,echo 'usage: make fallback VM=name SIZES=size,size' >&2; exit 2)
	@$(PYTHON) -m localazure fallback '$(VM)' '$(SIZES)'

price: ## in the world of `make run`: set the Spot price of a size, SIZE=name USD=0.03
	@$(if $(and $(SIZE),$(USD)),$(MAKE) setup,echo 'usage: make price SIZE=name USD=0.03' >&2; exit 2)
	@$(PYTHON) -m localazure price '$(SIZE)' '$(USD)'

wake: ## in the world of `make run`: let the app look at a work queue now, QUEUE=name
	@$(if $(QUEUE),$(MAKE) setup,echo 'usage: make wake QUEUE=name' >&2; exit 2)
	@$(PYTHON) -m localazure wake '$(QUEUE)'

az-env: ## point az at the world of `make run`: eval "$(make -s az-env)"; LOGIN=operator for an operator's eyes
	@$(MAKE) setup >&2
	@$(PYTHON) -m localazure az-env $(if $(LOGIN),--login '$(LOGIN)')

worker-env: ## point spot-worker at the jobs of `make run`: eval "$(make -s worker-env)"
	@$(MAKE) setup >&2
	@$(PYTHON) -m localazure worker-env

test: setup ## run all tests; the pure packages must be covered, every branch
	@$(PYTHON) -m pytest $(IN_PARALLEL) --cov --cov-report=term-missing:skip-covered

quick: setup ## run what takes under a minute: the pure packages and the stories in virtual time
	@$(PYTHON) -m pytest $(IN_PARALLEL) tests/intake tests/offerings tests/decisions tests/demand tests/responder tests/operators

soak: setup ## random schedules against the promises: SOAK_SCHEDULES=2000, SOAK_SEED=n to see a run again
	@$(PYTHON) -m soak.responder --schedules '$(or $(SOAK_SCHEDULES),2000)' $(if $(SOAK_SEED),--seed '$(SOAK_SEED)')

mutants: setup ## deliberate bugs in the product, each of which the soak must catch
	@$(PYTHON) -m soak.responder.mutants

soak-agent: setup ## random schedules against the agent's promises: SOAK_SCHEDULES=2000, SOAK_SEED=n to see a run again
	@$(PYTHON) -m soak.agent --schedules '$(or $(SOAK_SCHEDULES),2000)' $(if $(SOAK_SEED),--seed '$(SOAK_SEED)')

mutants-agent: setup ## deliberate bugs in the agent, each of which its soak must catch
	@$(PYTHON) -m soak.agent.mutants

soak-worker: setup ## random schedules against the worker's promises: SOAK_SCHEDULES=2000, SOAK_SEED=n to see a run again
	@$(PYTHON) -m soak.worker --schedules '$(or $(SOAK_SCHEDULES),2000)' $(if $(SOAK_SEED),--seed '$(SOAK_SEED)')

mutants-worker: setup ## deliberate bugs in the worker, each of which its soak must catch
	@$(PYTHON) -m soak.worker.mutants

soak-work: setup ## random schedules against the promises of work queues: SOAK_SCHEDULES=2000, SOAK_SEED=n to see a run again
	@$(PYTHON) -m soak.work --schedules '$(or $(SOAK_SCHEDULES),2000)' $(if $(SOAK_SEED),--seed '$(SOAK_SEED)')

mutants-work: setup ## deliberate bugs in what work queues rest on, each of which their soak must catch
	@$(PYTHON) -m soak.work.mutants

kills-worker: setup ## kill real workers two hundred times amid their jobs, on Azurite; KILLS_SEED=n
	@$(PYTHON) -m soak.worker.kills $(if $(KILLS_SEED),--seed '$(KILLS_SEED)')

kills: setup ## kill the real app again and again while 50 VMs recover; KILLS_SEED=n
	@$(PYTHON) -m soak.responder.kills $(if $(KILLS_SEED),--seed '$(KILLS_SEED)')

guest: vm-package ## install the package of agent and worker in a real Linux under QEMU, and take its power away: GUEST_LOSSES=20, GUEST_SEED=n
	@$(PYTHON) -m soak.guest $(if $(GUEST_LOSSES),--losses '$(GUEST_LOSSES)') $(if $(GUEST_SEED),--seed '$(GUEST_SEED)') $(OR_INTERRUPTED)

fuzz: setup ## give the app mutated events and rubbish: FUZZ_CASES=n (5000), FUZZ_SEED=n
	@$(PYTHON) -m soak.responder.fuzz $(if $(FUZZ_CASES),--cases '$(FUZZ_CASES)') $(if $(FUZZ_SEED),--seed '$(FUZZ_SEED)')

bench: setup ## take all figures of docs/performance.md into .local/bench.json; about forty minutes
	@$(PYTHON) -m bench

check: setup ## ruff, mypy, import-linter, and Microsoft's Kusto parser over the queries
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@cd agent && ../.venv/bin/mypy
	@cd worker && ../.venv/bin/mypy
	@.venv/bin/lint-imports
	@node tools/check_queries.mjs

clean: ## remove what make set up and what runs left behind; refused while a trial in Azure has left what may cost money
	@left=$$(cat .local/trial-journal.jsonl 2>/dev/null | awk -F'"' '$$2 == "created" { made[tolower($$4)] = 1; next } \
	  $$2 == "answered" { next } $$2 == "gone" { delete made[tolower($$4)]; next } NF { odd++ } END { for (each in made) odd++; print odd + 0 }'); \
	if [ "$$left" != 0 ]; then \
	  echo "clean: .local/trial-journal.jsonl lists $$left that a trial has left in Azure, which may cost money: take it away first, by .venv/bin/spot-responder trial --subscription ID --take-away" >&2; \
	  exit 1; \
	fi
	rm -rf .venv .venv-39 .venv-az .venv-celery .venv-recipes dist node_modules .local *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
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

$(PYTHON_SET_UP): requirements.txt constraints.txt requirements-dev.txt pyproject.toml agent/pyproject.toml worker/pyproject.toml | .venv/bin/python
	@echo 'setup: the packages of requirements-dev.txt, into .venv'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input -r requirements-dev.txt
	@echo 'setup: the operator'"'"'s commands, as .venv/bin/spot-responder'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input --no-deps --config-settings editable_mode=compat --editable .
	@echo 'setup: the agent, as .venv/bin/spot-agent'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input --no-deps --config-settings editable_mode=compat --editable ./agent
	@echo 'setup: the worker, as .venv/bin/spot-worker'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-input --no-deps --config-settings editable_mode=compat --editable ./worker
	@touch $@

# Where there is no Python 3.9 the mark is left all the same: agent-39 then says that it skips.
$(AGENT_39_SET_UP): agent/requirements-39.txt | $(PYTHON_SET_UP)
	@mkdir -p .venv-39
	@for python in python3.9 "$$HOME"/.pyenv/versions/3.9*/bin/python3.9; do \
	  if "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	    echo 'setup: the packages of agent/requirements-39.txt, into .venv-39'; \
	    "$$python" -m venv --clear .venv-39; \
	    .venv-39/bin/python -m pip install -qq --disable-pip-version-check --no-input -r agent/requirements-39.txt; \
	    break; \
	  fi; \
	done
	@touch $@

$(WORKER_39_SET_UP): worker/requirements-39.txt $(AGENT_39_SET_UP)
	@if [ -x .venv-39/bin/python ]; then \
	  echo 'setup: the packages of worker/requirements-39.txt, into .venv-39'; \
	  .venv-39/bin/python -m pip install -qq --disable-pip-version-check --no-input -r worker/requirements-39.txt; \
	fi
	@touch $@

$(AZ_SET_UP): requirements-az.txt | $(PYTHON_SET_UP)
	@echo 'setup: the packages of requirements-az.txt, into .venv-az'
	@$(PYTHON) -m venv --clear .venv-az
	@.venv-az/bin/python -m pip install -qq --disable-pip-version-check --no-input -r requirements-az.txt
	@touch $@

$(CELERY_SET_UP): requirements-celery.txt | $(PYTHON_SET_UP)
	@echo 'setup: the packages of requirements-celery.txt, into .venv-celery'
	@$(PYTHON) -m venv --clear .venv-celery
	@.venv-celery/bin/python -m pip install -qq --disable-pip-version-check --no-input -r requirements-celery.txt
	@touch $@

$(RECIPES_SET_UP): requirements-recipes.txt | $(PYTHON_SET_UP)
	@echo 'setup: the packages of requirements-recipes.txt, into .venv-recipes'
	@$(PYTHON) -m venv --clear .venv-recipes
	@.venv-recipes/bin/python -m pip install -qq --disable-pip-version-check --no-input -r requirements-recipes.txt
	@touch $@

$(NODE_SET_UP): package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || \
	  { echo 'setup: node 20 or newer is missing: install Node.js (with npm), then try again' >&2; exit 1; }
	@echo 'setup: the packages of package-lock.json, into node_modules'
	@npm ci --loglevel=error --no-progress >/dev/null
	@touch $@
