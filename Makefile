# Anju 安居. Two commands do everything: `make run` and `make test`.
.DEFAULT_GOAL := help
PY := .venv/bin/python
SCENARIO ?=
COMMUNITY ?=
# How many test files run side by side: they wait more than they compute. WORKERS=0 is one after the other.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n > 3 ? 4 : n + 1)))
PORT ?=

.PHONY: help setup run test check format bench docs screens clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## virtual environment and Python packages (run and test do this themselves)
	@deploy/setup.sh run

run: setup ## the gateway with a simulated community; SCENARIO=heart-attack plays a story, PORT=8130 another port
	@.venv/bin/anju demo $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(PORT),--port $(PORT)) $(if $(COMMUNITY),--community $(COMMUNITY))

test: ## all tests, over real brokers, databases, ttys and a browser
	@deploy/setup.sh test
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --timeout 300 $(ARGS)

check: setup ## lint, types, import direction
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: setup ## put the code into its form
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: setup ## figures: latency, throughput, memory, beside the bare broker
	@$(PY) -m bench

docs: setup ## generate what the documents take from the code
	@$(PY) -m devices.document
	@$(PY) -m gateway.rules.reference
	@$(PY) -m gateway.registry.reference
	@$(PY) -m gateway.registry.rule_schema
	@$(PY) -m gateway.registry.census
	@$(PY) -m devices.telemetry_document
	@$(PY) -m docs.devices.make

screens: ## screenshots of the console and pictures of the dashboards for docs/screens; the latter need npm
	@deploy/setup.sh test
	@$(PY) -m docs.screens.take
	@$(PY) -m docs.screens.boards

clean: ## remove the environment and the demo's data
	@rm -rf .venv anju-data
