# `make` or `make help` lists the commands; the README has the routes without make and with conda.
.DEFAULT_GOAL := help
COHORT ?= phantom
ROOT ?=
OUT ?=
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

# The Pythons that pyproject.toml takes, oldest first ("3.11 3.12 ..."), and of those found here python3, else the newest.
PYTHONS := $(shell sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)"$$/\1 \2/p' pyproject.toml | \
	while read -r minor end; do while [ "$$minor" -lt "$$end" ]; do echo "3.$$minor"; minor=$$((minor + 1)); done; done)
NEWEST := $(lastword $(PYTHONS))
TAKEN = import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split())
PYTHON ?= $(shell for python in python3 $$(printf 'python%s\n' $(PYTHONS) | sort -r); do \
	"$$python" -c '$(TAKEN)' 2> /dev/null && echo "$$python" && break; done)

ASKED = $(or $(PYTHON),python3)

# uv, where it is installed, takes the same packages of the same lock and checks the same hashes; make setup UV= takes pip.
UV ?= $(shell command -v uv 2> /dev/null)

# An environment whose Python is gone, upgraded or removed since, is made again.
GONE := $(shell if [ -e $(READY) ] && ! $(RUN) -c '' 2> /dev/null; then rm -f $(READY); fi)

.PHONY: help setup course test unit-tests folder-tests notebook-tests test-interop interop-where-possible coverage nih learn lab hospital reading-room instructor site site-where-possible pdf bench fuzz mutants notebooks clean

help: ## this list
	@echo "make TARGET, where TARGET is"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do printf '  %-24s%s\n' "$$name" "$$what"; done
	@echo "Start with: make course. With a Python of your choice (at the first set-up): make course PYTHON=python$(NEWEST)"

setup: $(READY) ## the environment .venv, exactly as requirements.lock says; all others begin with it

# The environment is whole or not there: it is marked as ready at the end, and made again when the lock changes.
$(READY): requirements.lock
	@"$(PYTHON)" -c '$(TAKEN)' 2> /dev/null || { \
	here=$$("$(ASKED)" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null) \
	&& here="$(ASKED) is Python $$here" || here="$(ASKED) cannot be run here"; \
	printf '%s\n' "The course needs Python $(firstword $(PYTHONS)) to $(NEWEST), and $$here." \
	"If you have one of them under another name: make $(MAKECMDGOALS) PYTHON=its-name" \
	"If not, get one by whichever of these you use, then make it again:" \
	"  uv     uv python install $(NEWEST); make $(MAKECMDGOALS) PYTHON=\"\$$(uv python find $(NEWEST))\"" \
	"  pyenv  pyenv install $(NEWEST); make $(MAKECMDGOALS) PYTHON=\"\$$(pyenv prefix $(NEWEST))/bin/python\"" \
	"  conda  conda env create -f environment.yml, which needs no make: see 'With conda' in README.md" >&2; exit 1; }
	@echo "1 of 2: an empty environment in $(VENV), of $$("$(PYTHON)" --version)"
	@rm -rf $(VENV)
	@"$(PYTHON)" -m venv $(VENV)
	@echo "2 of 2: the packages of requirements.lock, some minutes the first time; at the end they are unpacked in silence"
	@if [ -n "$(UV)" ]; then "$(UV)" pip install --python $(RUN) --require-hashes -r requirements.lock && exit 0; \
	echo "uv could not install them, for the reason that it gives above, so pip goes on." >&2; fi; \
	$(RUN) -m pip install --disable-pip-version-check --require-hashes -r requirements.lock || { \
	echo "The set-up is not finished, for the reason that pip gives above. Say the same again to go on." >&2; exit 1; }
	@touch $(READY)

course: setup ## all notebooks, executed, as pages and as a site (COHORT=nih ROOT=folder for real films, OUT=folder)
	@$(RUN) -m util course --cohort "$(COHORT)" --root "$(ROOT)" $(if $(OUT),--out "$(OUT)")
	@$(MAKE) --no-print-directory site-where-possible FROM="$(or $(OUT),build/course)"

# Two jobs side by side: with as many threads as cores in each they wait for one another, PyTorch's up to six times as long.
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive TF_NUM_INTRAOP_THREADS=1

test: setup ## lint, unit tests, and the notebooks under nbval
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@if [ -n "$$CI" ]; then $(ONE_THREAD) $(MAKE) --no-print-directory --jobs=2 --output-sync=target folder-tests interop-where-possible unit-tests notebook-tests; \
	else $(MAKE) --no-print-directory unit-tests folder-tests notebook-tests; fi

unit-tests: setup
	@COHORT= CXR_ROOT= $(RUN) -m pytest tests --ignore=tests/z

# All lessons on folders of films as people have them, and on real films where they are there: the longest part.
folder-tests: setup
	@COHORT= CXR_ROOT= $(RUN) -m pytest tests/z

notebook-tests: setup
	@COHORT= CXR_ROOT= COURSE_BATCH=1 $(RUN) -m pytest --nbval-lax notebooks

# Files written by PyTorch and by Keras 2, against their own answers. Its environment sees the packages of the first one.
INTEROP := .venv-interop
# Without any of these, the tests that need it are skipped and say so.
BROWSER := -r util/course/website/requirements.txt playwright==1.65.2 axe-playwright-python==0.1.8 pypdf==7.1.1 jupyter-repo2docker==2026.4.0
TORCH := torch==2.13.0 torchvision==0.28.0 torchxrayvision==1.5.7
NBGRADER := nbgrader==0.9.6
ARCHIVE := pyarrow==26.0.1 fsspec==2026.9.0
RAY := ray[data]==2.60.0

test-interop: $(INTEROP)/.ready ## the readers of other people's weights, beside PyTorch and tf-keras (downloads them)
	@$(INTEROP)/bin/python -m pytest tests/interop

interop-where-possible: setup ## the same where they can be installed, else a word that it was not run
	@if $(MAKE) --no-print-directory $(INTEROP)/.ready > /dev/null 2>&1; then $(MAKE) --no-print-directory test-interop; \
	else echo "Not run: tests/interop, because $(TORCH) or tf-keras cannot be installed here."; fi

$(INTEROP)/.ready: $(READY) util/course/website/requirements.txt
	@rm -rf $(INTEROP)
	@$(RUN) -m venv $(INTEROP)
	@$(RUN) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$($(INTEROP)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/course.pth
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps tf-keras==2.21.0
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check $(NBGRADER)
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check $(ARCHIVE) \
	|| echo "Not installed: $(ARCHIVE). Tests of archives are skipped."
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check "$(RAY)" \
	|| echo "Not installed: $(RAY). Tests of the engine on Ray are skipped."
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check $(BROWSER) \
	|| echo "Not installed: $(BROWSER). Tests of the site and of Binder are skipped."
	@touch $@

coverage: setup ## lines that the tests run, room by room, with a floor for each (with PyTorch where it can be installed)
	@rm -f .coverage*
	@COHORT= CXR_ROOT= $(RUN) -m coverage run --parallel-mode --source=util -m pytest
	@if $(MAKE) --no-print-directory $(INTEROP)/.ready > /dev/null 2>&1; then \
	$(INTEROP)/bin/python -m coverage run --parallel-mode --source=util -m pytest tests/interop; fi
	@$(RUN) -m coverage combine --quiet
	@$(RUN) -m tests.floors

# Real films: 900 and NIH's tables into data/nih; make nih FILMS=starter|boxed|all|N ROOT=folder for others.
# Files of your own stay as they are; REPLACE="NAME ..." names those that NIH's are to replace.
FILMS ?= starter
REPLACE ?=

nih: setup ## real films of ChestX-ray14 into data/nih (FILMS, ROOT, REPLACE: see README.md)
	@$(RUN) -m util nih --films "$(FILMS)" $(if $(ROOT),--to "$(ROOT)") $(if $(REPLACE),--replace $(REPLACE))

learn: setup ## a copy of the notebooks to work in, build/learn: exercises open, answers kept when the course is updated
	@$(RUN) -m util learn

lab: learn ## JupyterLab on the first notebook of that copy
	@$(RUN) -m jupyterlab --LabApp.default_url=/lab/tree/build/learn/01_films_and_networks.ipynb --LabApp.news_url=None

# Films, tables and claims; the same ID always gives the same hospital. With SECRET=file, an instructor's, the truth is sealed.
ID ?=
SECRET ?=

hospital: setup ## a hospital of your own to audit, for lesson 15 (ID=your-name, OUT=folder, SECRET=file)
	@$(RUN) -m util hospital --student "$(ID)" --out "$(or $(OUT),build/hospital/$(ID))" $(if $(SECRET),--secret-file "$(SECRET)")

# NAME and SECRET (a file of yours, made where there is none); without the latter the truth is open, for self-study.
NAME ?= reading room

reading-room: setup ## films to be read by a class, as pages that work offline, into build/reading-room (NAME, SECRET, OUT)
	@$(RUN) -m util reading-room make --name "$(NAME)" $(if $(SECRET),--secret-file "$(SECRET)") $(if $(OUT),--out "$(OUT)")

instructor: setup ## nbgrader's source tree and slides into build/instructor
	@$(RUN) -m util instructor

# Sphinx and its theme, beside the packages of the course: the site is made of the executed notebooks alone.
SITE := .venv-site
SPHINX := util/course/website/requirements.txt
FROM ?= notebooks

site: $(SITE)/.ready ## the course as a site in build/site, with search and a glossary (FROM=build/course for your own run)
	@$(SITE)/bin/python -m util site --from "$(FROM)" $(if $(OUT),--out "$(OUT)/site")

# Offline, pip is not to wait long. What pip says is kept for those who ask why there is no site.
site-where-possible: setup
	@if PIP_RETRIES=1 PIP_TIMEOUT=15 $(MAKE) -s --no-print-directory $(SITE)/.ready 2> /dev/null; then \
	$(SITE)/bin/python -m util site --from "$(FROM)" $(if $(OUT),--out "$(OUT)/site") \
	|| echo "There is no site, for the reason above; the pages in $(FROM) are all there."; \
	else echo "There is no site with search, because Sphinx cannot be installed here (offline?); the pages in $(FROM) are all there."; fi

$(SITE)/.ready: $(READY) $(SPHINX)
	@echo "Sphinx, which makes the site, is installed in $(SITE); once, in about a minute"
	@rm -rf $(SITE)
	@"$(RUN)" -m venv $(SITE)
	@$(RUN) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$($(SITE)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/course.pth
	@$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check -r $(SPHINX) 2> $(SITE)/pip.log || { \
	tail -n 1 $(SITE)/pip.log; exit 1; }
	@touch $@

pdf: setup ## the course on paper, build/paper/course.pdf, where there is a Chromium, Chrome or Edge (FROM=build/course)
	@$(RUN) -m util pdf --from "$(FROM)" $(if $(OUT),--out "$(OUT)")

bench: setup ## seconds and memory on this machine
	@$(RUN) -m tests.bench

fuzz: setup ## damaged and hostile input by the thousand, for an hour or so; KINDS="films server" for some of it
	@$(RUN) -m tests.fuzz $(KINDS)

# MODULE=data/own_film, and N and SEED of the draw (Linux and macOS)
mutants: setup ## for maintainers: small faults in one module that no test notices (MODULE, N, SEED)
	@$(RUN) -m tests.mutants $(MODULE) $(N) $(SEED)

notebooks: setup ## for maintainers: freshly executed outputs (phantom cohort) into notebooks/
	@$(RUN) -m util course --save

clean: ## away with the environments and what was built
	rm -rf build $(VENV) $(INTEROP) $(SITE)
