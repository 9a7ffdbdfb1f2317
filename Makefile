# Everything a fresh machine needs, from python3 (3.11 or newer), pip and make. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENVS := .venvs
UV := $(VENVS)/uv/bin/uv
UV_VERSION := 0.13.8
COMPONENTS := ingestion validation resampling training evaluation serving deployment reporting
ENVIRONMENTS := pipelines $(COMPONENTS)
# What only tests need: bucket servers, a statistics library to agree with, the second backend of training, Kubernetes' schemas.
TEST_ENVIRONMENTS := emulator oracle jax infra
EMOTION := $(VENVS)/pipelines/bin/emotion

PRESET ?=
DATA ?=
NIGHT ?=
RUNNER ?=
NAME ?=
REGISTRY ?=
GPU ?=
KEY ?=
COMPONENT ?=
SCRIPTS := .ci/run $(wildcard infra/*/*.sh)
RUN_OPTIONS := $(if $(PRESET),--preset $(PRESET)) $(if $(DATA),--data '$(DATA)') $(if $(NIGHT),--night $(NIGHT)) $(if $(RUNNER),--runner $(RUNNER))

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16
	@echo
	@echo 'make run PRESET=fer2013-cnn DATA=path/to/fer2013.zip   a run on your own data'
	@echo "make run DATA='[\"one.zip\", \"gs://bucket/two\"]'         several sources, joined"
	@echo 'make run NIGHT=same                                    a night on which nothing changed'
	@echo 'make images && make run RUNNER=docker                  the same in containers'

.PHONY: run
run: install ## A night: draw faces, run the whole pipeline, print the verdict (PRESET=, DATA=, NIGHT=, RUNNER=)
	@$(EMOTION) run $(RUN_OPTIONS)

.PHONY: install
install: ## Install every component's environment into .venvs
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) $(ENVIRONMENTS)

.PHONY: test
test: install ## The fast tests, each folder in its own environment; COMPONENT=training or COMPONENT=gate runs one
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) $(TEST_ENVIRONMENTS)
	@$(PYTHON) tests/run.py $(COMPONENT)

.PHONY: test-slow
test-slow: install ## Kills, soaks and long runs
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) $(TEST_ENVIRONMENTS)
	@$(PYTHON) tests/run.py --slow

.PHONY: check
check: ## Lint, types, spelling, shell scripts, README and docs
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) check pipelines
	@$(VENVS)/check/bin/ruff check .
	@$(VENVS)/check/bin/ruff format --check .
	@$(VENVS)/check/bin/mypy
	@$(VENVS)/check/bin/codespell
	@$(VENVS)/check/bin/shellcheck --external-sources $(SCRIPTS)
	@$(PYTHON) infra/docs.py
	@$(VENVS)/pipelines/bin/python -m pipelines.cli.reference --check

.PHONY: docs
docs: install ## Write the generated pages of docs/reference anew
	@$(VENVS)/pipelines/bin/python -m pipelines.cli.reference

.PHONY: format
format: ## Format the code
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) check
	@$(VENVS)/check/bin/ruff check --fix --quiet . || true
	@$(VENVS)/check/bin/ruff format .

.PHONY: lock
lock: ## Resolve the dependencies again and export a hash-pinned lock per component
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) --lock $(ENVIRONMENTS) $(TEST_ENVIRONMENTS)

.PHONY: golden
golden: install ## Write the golden files of the compiled pipeline and of the cluster's resources anew
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) infra
	@PYTHONPATH=$(VENVS)/test $(VENVS)/pipelines/bin/python -m tests.pipelines.test_compiler
	@$(VENVS)/infra/bin/python -m tests.infra.manifests

.PHONY: bench
bench: install ## Run one benchmark (NAME=…)
	@test -n "$(NAME)" || { echo "name one: make bench NAME=$$(ls benchmarks/*.py | xargs -n1 basename -s .py | paste -sd'|')"; exit 2; }
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) peers
	@$(PYTHON) benchmarks/$(NAME).py

.PHONY: engine-up
engine-up: ## Find a container engine, or install and start a private one (root on Debian)
	@$(PYTHON) -m infra.images.engine up

.PHONY: engine-down
engine-down: ## Stop the engine that engine-up started
	@$(PYTHON) -m infra.images.engine down

.PHONY: images
images: ## Build every component's image that isn't there yet, and list what each holds (GPU=1: training with CUDA)
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) sbom
	@$(PYTHON) -m infra.images.build $(if $(GPU),--gpu)

.PHONY: push
push: ## Build and push the images (REGISTRY=…, GPU=1, KEY=cosign.key); their digests go into build/images.json
	@test -n "$(REGISTRY)" || { echo "name one: make push REGISTRY=registry/path"; exit 2; }
	@$(PYTHON) infra/environments.py --uv-version $(UV_VERSION) sbom
	@$(PYTHON) -m infra.images.build $(if $(GPU),--gpu) $(if $(KEY),--sign "$(KEY)") --push "$(REGISTRY)"

.PHONY: test-containers
test-containers: install images ## Build the images and look into them
	@PYTHONPATH=$(VENVS)/test $(VENVS)/pipelines/bin/python -m pytest tests/containers -q

.PHONY: test-cluster
test-cluster: install ## Every image as a pod and a small night, on the cluster that KUBECONFIG names
	@PYTHONPATH=$(VENVS)/test $(VENVS)/pipelines/bin/python -m pytest tests/cluster -q

.PHONY: clean
clean: ## Remove environments, runs, the store and drawn faces
	rm -rf $(VENVS) runs store data build .mypy_cache .ruff_cache .pytest_cache
