# Every target makes .venv itself when it is missing. Another interpreter:
# `make book PYTHON=python3.12`.
PYTHON ?= python3
RUN := .venv/bin/python
INSTALLED := .venv/.installed
PEERS := .bench/.installed

.DEFAULT_GOAL := help
.PHONY: help book test reproduce bench scorecard lint mutants bounds colab chapter pdf clean publish-address

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
		awk -F'\t' '{ printf "make %-16s %s\n", $$1, $$2 }'

# $(error) rather than exit: it leaves one line, and make's status is 2.
wanted = $(if $(shell $(PYTHON) -c $(1) >/dev/null 2>&1 && echo yes),,$(error $(2)))

$(INSTALLED): requirements.txt pyproject.toml
	$(call wanted,'import sys; sys.exit(sys.version_info < (3$(,) 11))',$(PYTHON) \
		is not Python 3.11 or newer: install one$(,) or name it as in make PYTHON=python3.12)
	$(call wanted,'import ensurepip$(,) venv',$(PYTHON) cannot make \
		environments: apt install python3-venv)
	@echo "Installing into .venv (once; a few minutes)"
	@$(PYTHON) -m venv .venv
	@$(RUN) -m pip install -q --disable-pip-version-check -r requirements.txt
	@$(RUN) -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

book: $(INSTALLED) ## render the chapters as they are stored, into _build/html
	@bash tests/build.sh

test: $(INSTALLED) ## lint, unit tests, the book, the browser, every chapter again
	@bash tests/run.sh

reproduce: $(INSTALLED) ## recompute everything, render it, print the scorecard
	@bash tests/reproduce.sh

bench: $(INSTALLED) $(PEERS) ## side by side with the peers (half an hour)
	@$(RUN) -m benchmarks
	@.bench/bin/python -W ignore -m benchmarks.curvature
	@$(RUN) -m benchmarks.page

$(PEERS): requirements-bench.txt
	@$(PYTHON) -m venv .bench
	@.bench/bin/python -m pip install -q --disable-pip-version-check -r $<
	@touch $@

scorecard: $(INSTALLED) ## every claim of the stored chapters and its verdict
	@$(RUN) -m helpers scorecard

lint: $(INSTALLED) ## ruff over code and notebooks
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

mutants: $(INSTALLED) ## faults planted in helpers at random: how many are noticed? COUNT=60
	@$(RUN) tests/mutants.py --deep --count $(or $(COUNT),60)

# Another environment each, in a folder of its own: a few gigabytes, once.
bounds: ## every chapter at quick scale, on the oldest versions that pyproject allows
colab: ## the same on the versions of Google Colab: make colab PYTHON=python3.13
bounds colab:
	@$(PYTHON) -m venv .environments/$@
	@.environments/$@/bin/python -m pip install -q --disable-pip-version-check \
		-r requirements-$@.txt
	@BOOK_SCALE=quick OMP_NUM_THREADS=1 .environments/$@/bin/python tests/environment.py

chapter: $(INSTALLED) ## begin a chapter that passes every test: NAME=my_subject
	@$(RUN) book/_ext/new_chapter.py "$(NAME)"

pdf: book ## the prose of the book for paper, at _build/book.pdf (needs chromium)
	@$(RUN) book/_ext/pdf.py

publish-address: $(INSTALLED) ## stamp where the book is published: URL=https://…
	@$(RUN) book/_ext/publish_address.py "$(URL)"

clean: ## remove what was built; .venv, data and records stay
	rm -rf _build .pytest_cache *.egg-info
	find . -path ./.venv -prune -o -type d \( -name __pycache__ -o -name .ruff_cache \) \
		-prune -exec rm -rf {} +

, := ,
