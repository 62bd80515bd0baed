# `make` or `make help` lists the targets. Everything runs in .venv, which is made from requirements.lock.

.DEFAULT_GOAL := help
.PHONY: help backup restore venv have-venv env demo up down reset test nightly matrix soak lint bench openapi reference docs lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

venv: ## make .venv from the lock; PYTHON=… chooses the Python
	@PYTHON="$(PYTHON)" sh stack/venv.sh

# For down and reset: nobody should wait minutes for an install to read that nothing runs.
have-venv:
	@test -e .venv/built-from || { echo "this needs a complete .venv: run \`make venv\`" >&2; exit 1; }

# exec: a shell in between would not pass SIGTERM on, and the stack would stay.
demo: venv ## run two training cycles on a stack of its own; DATA=file.tsv.gz SPEC=spec.yaml: on your own data
	@exec .venv/bin/python -m stack.demo $(if $(DATA),--data "$(DATA)") $(if $(SPEC),--spec "$(SPEC)")

up: venv ## start the stack and leave it running
	@exec .venv/bin/python -m stack up

down: have-venv ## end the stack; what it stored stays
	@exec .venv/bin/python -m stack down

reset: have-venv ## end the stack and delete everything that it stored
	@exec .venv/bin/python -m stack reset

env: ## write .env for docker compose: a random value for each secret
	@$(or $(PYTHON),python3) containers/env.py

backup: ## copy everything that the containers store into a new folder: TO=folder
	@test -n "$(TO)" || { echo "name the folder: make backup TO=folder" >&2; exit 1; }
	@exec sh containers/backup.sh "$(TO)"

restore: ## replace everything that the containers store with a backup: FROM=folder
	@test -n "$(FROM)" || { echo "name the folder: make restore FROM=folder" >&2; exit 1; }
	@exec sh containers/restore.sh "$(FROM)"

test: venv ## run the tests
	@exec .venv/bin/pytest -n 3 --dist loadscope -m "not soak and not nightly"

nightly: venv ## run all tests but those of soak: also those that take half a minute
	@exec .venv/bin/pytest -n 3 --dist loadscope -m "not soak"

matrix: venv ## try each version of Airflow, Python and MLflow that we name, and write docs/versions.md: NAMES=some
	@exec .venv/bin/python -m matrix $(NAMES)

soak: venv ## run the tests that take minutes each
	@exec .venv/bin/pytest -m soak

lint: venv ## check format, style and types, as CI does
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy

bench: venv ## run each benchmark in its short form
	@for file in benchmarks/*.py; do echo "== $$file"; .venv/bin/python "$$file" --short || exit 1; done

openapi: venv ## write docs/openapi.json again, after the API has changed
	PYTHONPATH=include:plugins .venv/bin/python -m retrain_airflow.api.document docs/openapi.json

reference: venv ## write docs/reference/ again, after a spec's fields, a command or an announcement has changed
	PYTHONPATH=include:plugins .venv/bin/python -m reference

docs: .docs-venv/complete ## make the site of docs/ in build/docs
	@.docs-venv/bin/sphinx-build --fail-on-warning --quiet docs build/docs
	@echo "build/docs/index.html"

.docs-venv/complete: docs/requirements.lock | venv
	@rm -rf .docs-venv
	@.venv/bin/python -m venv .docs-venv
	@.docs-venv/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r docs/requirements.lock
	@touch $@

lock: ## pin what requirements.txt asks for; needs uv
	@command -v uv > /dev/null || { echo "uv is not installed: run \`pip install uv\`" >&2; exit 1; }
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate -q requirements.txt -o requirements.lock
	sed '/^# ──/,$$d' requirements.txt | uv pip compile --universal --python-version 3.12 --generate-hashes --no-annotate \
		--no-header -q -c requirements.lock - -o containers/requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate -q docs/requirements.txt \
		-o docs/requirements.lock
	@! grep -n "://" requirements.lock containers/requirements.lock docs/requirements.lock || { echo "the lock names a server of yours: remove it" >&2; exit 1; }
