# Every target runs from a clean clone: tools/setup makes .venv, and is quick when nothing changed.

RUN := .venv/bin/python -m
LAB_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
SPEED := docs/benchmarks

# JupyterLab refuses to run as root unless told, and cannot open a browser where there is no display.
ROOT_ARG = $(shell test "$$(id -u)" = 0 && echo --allow-root)
BROWSER_ARG = $(shell test "$$(uname)" = Linux && test -z "$$DISPLAY$$WAYLAND_DISPLAY" \
	&& echo --no-browser)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help binder docs lab lite test fast faults lint bench bench-docs

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

lab: ## open the first tutorial in JupyterLab (more arguments: LAB_ARGS=--no-browser)
	@tools/setup lab
	@echo "== JupyterLab"
	@exec env PATH="$(CURDIR)/.venv/bin:$$PATH" $(RUN) jupyterlab --notebook-dir=notebooks \
		--LabApp.default_url=/lab/tree/01_first_task.ipynb $(ROOT_ARG) $(BROWSER_ARG) $(LAB_ARGS)

lite: ## the site that runs the notebooks in a browser with no server, in build/lite
	@tools/setup lab
	@tools/lite

test: ## everything that CI runs: lint, notebooks, all tests
	@tools/setup test
	$(lint)
	$(notebooks)
	@tools/test $(PYTEST_ARGS)

fast: ## the quick tests: no browser, kernel, server or kills (more arguments: PYTEST_ARGS=...)
	@tools/setup fast
	@echo "== pytest, what is quick"
	@$(RUN) pytest -m "not (browser or kernel or server or faults or interop or binder or site or slow)" $(PYTEST_ARGS)

binder: ## do in an environment of its own what mybinder.org would do with binder/
	@tools/setup fast
	@.venv/bin/python tools/check_binder.py

faults: ## kill consumers and servers at full size, and count what was lost
	@tools/setup test
	@echo "== pytest, faults at full size"
	@HUEY_FAULTS=1 $(RUN) pytest -s tests/faults $(PYTEST_ARGS)

lint: ## ruff and mypy
	@tools/setup fast
	$(lint)

bench: ## measure the engine beside others, and how quick a kernel stays (BENCH_ARGS=...)
	@tools/setup fast
	@echo "== benchmarks"
	@$(RUN) benchmarks $(BENCH_ARGS)
	@echo "== benchmarks.kernel_latency"
	@$(RUN) benchmarks.kernel_latency

bench-docs: ## measure everything beside everybody for the manual (one row: BENCH_ARGS="--only map")
	@tools/setup fast
	@echo "== benchmarks, all of them"
	@$(RUN) benchmarks --only all --with all --json $(SPEED)/results.json --update $(BENCH_ARGS)
	@echo "== benchmarks.plot"
	@$(RUN) benchmarks.plot $(SPEED)/results.json $(SPEED)
	@echo "== benchmarks.where"
	@$(RUN) benchmarks.where --rst $(SPEED)/where.rst

docs: ## the manual and the lessons, in docs/_build/html; a warning is an error
	@tools/setup docs
	@tools/docs

define lint
	@echo "== ruff check"
	@$(RUN) ruff check .
	@echo "== ruff format"
	@$(RUN) ruff format --check .
	@echo "== mypy"
	@$(RUN) mypy
endef

# What git holds is looked at, not the working copy: whoever ran the tutorial has outputs in it.
define notebooks
	@echo "== notebooks are stored without outputs"
	@rm -rf build/stored && git checkout-index -f --prefix=build/stored/ notebooks/*.ipynb
	@$(RUN) nbstripout --keep-id --verify build/stored/notebooks/*.ipynb || \
		{ echo "cure: $(RUN) nbstripout --keep-id notebooks/*.ipynb, then git add"; exit 1; }
endef
