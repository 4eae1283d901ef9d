# make course | make test | make lab | make bench | make fuzz      (Windows, conda: see README.md)
PYTHON ?= python3
COHORT ?= phantom
ROOT ?=
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: setup course test test-interop interop-where-possible nih lab bench fuzz notebooks clean

setup: $(READY)

# The virtual environment holds exactly what the lock says; it is made again when the lock changes.
$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || { echo "Python 3.11 or 3.12 is needed, $(PYTHON) is another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) from requirements.lock; the first time this takes some minutes ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $(READY)

course: setup
	@$(RUN) -m util.course --cohort "$(COHORT)" --root "$(ROOT)"

test: setup
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@COHORT= CXR_ROOT= $(RUN) -m pytest
	@COHORT= CXR_ROOT= COURSE_BATCH=1 $(RUN) -m pytest --nbval-lax notebooks
	@if [ -n "$$CI" ]; then $(MAKE) --no-print-directory interop-where-possible; fi

# Files written by PyTorch and by Keras 2, against their own answers. Its environment sees the packages of the first one.
INTEROP := .venv-interop
TORCH := torch==2.13.0

test-interop: $(INTEROP)/.ready
	@$(INTEROP)/bin/python -m pytest tests/interop

interop-where-possible: setup
	@if $(MAKE) --no-print-directory $(INTEROP)/.ready > /dev/null 2>&1; then $(MAKE) --no-print-directory test-interop; \
	else echo "Not run: tests/interop, because $(TORCH) or tf-keras cannot be installed here."; fi

$(INTEROP)/.ready: $(READY)
	@rm -rf $(INTEROP)
	@$(PYTHON) -m venv $(INTEROP)
	@$(RUN) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$($(INTEROP)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/course.pth
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps tf-keras==2.21.0
	@touch $@

# Real films: 900 and NIH's tables into data/nih; make nih FILMS=starter|boxed|all|N ROOT=folder for others.
# Files of your own stay as they are; REPLACE="NAME ..." names those that NIH's are to replace.
FILMS ?= starter
REPLACE ?=

nih: setup
	@$(RUN) -m util.fetch nih --films "$(FILMS)" $(if $(ROOT),--to "$(ROOT)") $(if $(REPLACE),--replace $(REPLACE))

lab: setup
	@$(RUN) -m jupyter lab notebooks/01_explore_and_leaks.ipynb

bench: setup
	@$(RUN) -m tests.bench

# Damaged and hostile input by the thousand, for an hour or so; make fuzz KINDS="films server" for some of it.
fuzz: setup
	@$(RUN) -m tests.fuzz $(KINDS)

# For maintainers: put freshly executed outputs (phantom cohort) into notebooks/.
notebooks: setup
	@$(RUN) -m util.course --save

clean:
	rm -rf build $(VENV) $(INTEROP)
