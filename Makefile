# Commands for people who work on kwdb.ha. "make help" lists them.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
COLLECTIONS := $(CURDIR)/build/collections
HALAB := tests/lab/halab
# Which examples the property-based tests try: the same ones in every run, or SEED=random for new ones.
SEED ?= 1

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(COLLECTIONS)
export PYTHONPATH := $(COLLECTIONS)
export ANSIBLE_HOME := $(CURDIR)/build/ansible
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

build/.packages: tests/packages.txt $(wildcard tests/lab/packages.txt)
	@mkdir -p build
	tests/install_packages $^
	@touch $@

# By the python of the packages above: another one that is found first may be a slower build of it.
build/.venv: requirements-dev.txt build/.packages
	/usr/bin/python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile -r requirements-dev.txt
	mkdir -p $(COLLECTIONS)/ansible_collections/kwdb
	ln -sfn ../../../.. $(COLLECTIONS)/ansible_collections/kwdb/ha
	@touch $@

.PHONY: venv
venv: build/.venv ## Install what the commands below need

.PHONY: demo
demo: venv ## The product's main job on two lab hosts, with a power cut (KEEP=1 keeps the lab)
	$(PY) tests/e2e/demo.py $(if $(KEEP),--keep)

.PHONY: test
test: ## All test layers
	$(MAKE) --jobs 3 --output-sync images lint sanity unit
	$(MAKE) tools
	$(MAKE) e2e

.PHONY: lint
lint: venv ## Form: Python, YAML, roles, documentation
	ruff check .
	ruff format --check .
	cd $(COLLECTIONS) && MYPYPATH=$(COLLECTIONS) $(CURDIR)/$(PY) -m mypy --config-file $(CURDIR)/mypy.ini -p ansible_collections.kwdb.ha.plugins
	MYPYPATH=tests/lab $(PY) -m mypy --explicit-package-bases tests/lab/labkit
	yamllint --strict .
	ansible-lint --offline -q
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .
	antsibull-changelog lint
	$(PY) tests/gates/argument_specs.py
	ansible-playbook --syntax-check -i playbooks/inventory playbooks/*.yml

.PHONY: sanity
sanity: venv ## ansible-test sanity, in a copy under build/
	$(PY) tests/gates/sanity.py

.PHONY: unit
unit: venv ## Pure functions
	$(PY) -m pytest -q -n 2 --hypothesis-seed=$(SEED) tests/unit

# Only to have them early: what cannot be had is told by the tests that need it.
.PHONY: images
images: build/.packages ## Fetch the Debian roots and the lab's image that the tests use (cached)
	-/usr/bin/python3 tests/tools/roots.py
	-$(HALAB) image

# Files in their order: by the number of their tests, which is xdist's way, those with few and long ones come last.
# One worker more than the two cores that there are at least, for the tests wait for hosts and daemons, too.
.PHONY: tools
tools: venv ## The real pcs, Pacemaker, DRBD, PostgreSQL and OpenSSL tools, no cluster
	$(PY) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations 25 --hypothesis-seed=$(SEED) tests/tools

.PHONY: e2e
e2e: venv ## Two real hosts on the lab
	$(PY) -m pytest -v --durations 20 tests/e2e

.PHONY: bench
bench: venv ## How fast the engine and failovers are: tables and build/bench.json; 90 minutes (LAB=DIR takes a lab with a pair)
	$(PY) tests/bench/engine.py $(if $(LAB),--run-dir $(LAB))
	$(PY) tests/bench/failover.py $(if $(LAB),--run-dir $(LAB))

# Cases with a lab of their own, which has a third host; two labs at once are too many for two cores.
THREE_HOSTS := tests/e2e/faults_qdevice.py tests/e2e/faults_watchdog.py

.PHONY: faults
faults: venv ## Long cases on the lab, beside "make test": the fault table, changes under load, adoption, DRBD, a third vote, watchdogs; 200 minutes
	@failed=0; \
	$(PY) -m pytest -v --durations 20 tests/e2e/test_20_build.py::test_finished_pair_after_all $(filter-out $(THREE_HOSTS),$(wildcard tests/e2e/faults_*.py)) || failed=1; \
	$(PY) -m pytest -v --durations 20 $(THREE_HOSTS) || failed=1; \
	exit $$failed

.PHONY: package
package: venv ## Build the collection's archive into build/
	ansible-galaxy collection build --force --output-path build .

.PHONY: clean
clean: ## Take the lab down and remove what was built
	-[ ! -x $(HALAB) ] || $(HALAB) down
	rm -rf build $(VENV)

.PHONY: molecule
molecule: venv ## The molecule scenario "default" on the lab, from create to destroy
	molecule test --scenario-name default
