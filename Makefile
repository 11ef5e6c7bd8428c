# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prepares the machine, then hands over to nox, which knows the checks.
# A fresh Debian machine needs git and make; the rest is installed when missing.

PYTHON ?= python3
NOX := .venv/bin/nox

.DEFAULT_GOAL := help
.PHONY: help demo test test-all prepare lab-cache unit durability integration benchmark lint venv lab-up lab-down clean tool-packages lab-packages \
	integration-packages

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: lab-packages venv ## mount two images in the laboratory, reboot it, and look again
	$(NOX) -s demo

test: prepare ## what tells that it works: style, types, docs, sanity, unit, some of integration, mount and reboot
	$(NOX) -s test $(if $(FROM),-- --from $(FROM))

test-all: prepare ## every check; FROM=failed runs those that have not passed, FROM=<check> begins with one
	@PYTHONPATH=tests/tools:tests/lab .venv/bin/python -m checks all --dry $(if $(FROM),--from $(FROM))
	@RBDLAB_ACCEL=fast tests/lab/lab build
	$(NOX) -s test_all $(if $(FROM),-- --from $(FROM))

# Beside each other, since both take a minute of one processor.
prepare: lab-packages integration-packages tool-packages
	@$(MAKE) --no-print-directory --jobs 2 venv lab-cache

lab-cache: lab-packages ## build the root file systems of the laboratory, where they are not in its cache
	@tests/lab/lab build

unit: venv ## the unit tests alone
	$(NOX) -s unit

durability: venv ## runs that are killed in the middle of writing a file
	$(NOX) -s durability

integration: integration-packages venv ## the real librbd against a real cluster on this machine's loopback
	$(NOX) -s integration

benchmark: lab-packages integration-packages venv ## how long the modules take for many images, beside the same without them
	$(NOX) -s benchmark

lint: venv ## style, licences and types
	$(NOX) -s lint types

lab-up: lab-packages venv ## start the laboratory: a Ceph cluster and a client
	tests/lab/lab up

lab-down: venv ## stop the laboratory and remove what it left
	tests/lab/lab down

venv: tool-packages .venv/stamp ## the environment with all tools, in .venv

# Made anew, not updated: an environment that was updated differs from a fresh one.
.venv/stamp: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("ansible-core needs Python 3.11 or later: make PYTHON=...")'
	@echo "Making .venv with the tools in requirements-dev.txt (a minute or two)"
	rm -rf .venv
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement requirements-dev.txt
	touch $@

tool-packages:
	@PYTHON=$(PYTHON) tests/tools/packages.sh tools

lab-packages:
	@tests/tools/packages.sh file tests/lab/packages.txt

integration-packages:
	@tests/tools/packages.sh file tests/integration/packages.txt

clean: ## remove everything that is not under version control and was made by the tools
	rm -rf .venv .nox .ansible .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
