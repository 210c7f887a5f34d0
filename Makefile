# What a developer and a user type. Every target sets up what it needs first, and may be run again at any time.
.DEFAULT_GOAL := help
.PHONY: help setup up render docs pictures simulate simulate-mutants test test-chaos test-drill test-kills lint fmt bench lock audit release clean

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONFIG ?= monitoring.yaml
JSONNET := $(shell git ls-files -co --exclude-standard '*.jsonnet' '*.libsonnet' 2>/dev/null)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Install what is missing: Python packages, Prometheus and its family, Nightdesk's own secrets
	@$(BIN)/python -m stack.keys --config $(CONFIG)
	@$(BIN)/python -m stack.binaries

$(STAMP): requirements.lock pyproject.toml setup.py
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with its venv module is on PATH (Debian: apt install" \
	  "python3-venv); name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "installing $$(grep -c '==' requirements.lock) Python packages into $(VENV), once: a minute or a few"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

up: setup ## Run the whole stack here; Ctrl-C stops it
	@$(BIN)/nightdesk up --config $(CONFIG) $(ARGS)

render: setup ## Write build/ from the settings
	@$(BIN)/nightdesk render --config $(CONFIG)

test: setup ## Run the tests (ARGS="-k name" for some of them)
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-chaos: setup ## Kill, stop and freeze everything around webhook_actions for ten minutes, and count what it kept
	$(BIN)/python -m tests.chaos $(ARGS)

simulate: setup ## Play the engine on a virtual clock, with fresh seeds (ARGS="--seeds 10000 --from 1")
	$(BIN)/python -m tests.simulation --from $$(date +%s) $(ARGS)

simulate-mutants: setup ## Plant faults into copies, and show that the simulator finds each within 500 seeds
	$(BIN)/python -m tests.simulation.mutants $(ARGS)

lint: setup ## Check style, types and the jsonnet
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if fmt=$$($(BIN)/python -m stack.binaries jsonnetfmt 2>/dev/null); \
	then echo "jsonnetfmt --test"; "$$fmt" --test $(JSONNET); \
	else echo "SKIPPED jsonnetfmt: it is neither on PATH nor in .tools (apt install jsonnet)"; fi

fmt: setup ## Format all sources
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .
	@fmt=$$($(BIN)/python -m stack.binaries jsonnetfmt) && "$$fmt" -i $(JSONNET)

docs: setup ## Write the generated pages: metrics, alerts, actions, who is notified
	@mkdir -p build; for page in exporter.catalogue:metrics stack.alerts:alerts webhook_actions.table:actions stack.who_doc:who; do \
	  $(BIN)/python -m "$${page%:*}" > build/page && mv build/page "docs/$${page#*:}.md" || exit 1; echo "docs/$${page#*:}.md"; done

bench: setup ## Run the benchmarks; each prints its table
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; PYTHONPATH=. $(BIN)/python "$$file" || exit 1; done

test-kills: setup ## Kill every part under a stream of alerts, alone and in pairs; prints what was lost (docs/ha.md)
	$(BIN)/python benchmarks/kills.py $(ARGS)

test-drill: setup ## Plant every fault into a running stack, and see that a drill finds it (fifteen minutes)
	NIGHTDESK_EVERY_FAULT=1 $(BIN)/python -m pytest tests/drill $(ARGS)

pictures: setup ## Make the pictures of README and docs from the demo (wants Chromium, Node.js and npm; ten minutes)
	$(BIN)/python -m tests.pictures

audit: setup ## Ask for known vulnerabilities of what is locked and of images, write build/sbom.json, look for secrets
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && mkdir -p build && \
	"$(PYTHON)" -m venv "$$tools" && "$$tools/bin/pip" install --quiet pip-audit cyclonedx-bom detect-secrets && \
	"$$tools/bin/cyclonedx-py" requirements deploy/requirements.lock --of JSON -o build/sbom.json && \
	git ls-files -z -- ':!*.lock' ':!tests' ':!docs/img' | xargs -0 "$$tools/bin/detect-secrets-hook" \
	  --disable-plugin KeywordDetector && \
	"$$tools/bin/pip-audit" --strict --require-hashes --disable-pip -r requirements.lock && \
	$(BIN)/python -m stack.image_audit docker-compose.yml deploy/kubernetes/*.yaml

lock: ## Write the hashed locks from pyproject.toml: all for developers, the running part for the image
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && \
	"$(PYTHON)" -m venv "$$tools" && "$$tools/bin/pip" install --quiet uv && \
	compile="$$tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header" && \
	$$compile --extra dev pyproject.toml -o requirements.lock && \
	$$compile -c requirements.lock pyproject.toml -o deploy/requirements.lock

release: setup ## Make a release of what is committed (VERSION=0.2.0): changelog, wheel, SBOM, image, tag; pushes nothing
	@$(BIN)/python deploy/release.py "$(VERSION)"

clean: ## Remove what was rendered and cached; data and secrets stay
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
