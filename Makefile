# Each target does its own set-up; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo stop clean install report docs dbt deploy service lint test thorough properties \
  histories strangers ledgers days matrix bench types metrics picture

# For Prefect's own commands; the project's programs see to it themselves.
export DO_NOT_TRACK := 1

PYTHON ?= python3
BIN := .venv/bin

##@ To use it (docs/operations.md, docs/connect.md):

help: ## list the targets
	@awk -F ':.*## ' '/^##@/ { print "\n" substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  make %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: install ## try the whole ELT: private servers, a synthetic clinic, a full run, a report
	@$(BIN)/python -m deployments.demo

# Needs nothing that install installs.
stop: ## stop the servers that demo and test started
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) -m deployments.servers stop

clean: stop ## stop, and remove the servers' data, the demo's .env and logs, and caches
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) -m deployments.servers clean
	@rm -rf dbt/target dbt/logs .pytest_cache .mypy_cache .ruff_cache .hypothesis

install: .venv/.installed ## make the virtual environment .venv with all that is needed
	@:

# Pinned by constraints.txt; done again when the pins or the project's dependencies change.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { echo "The virtual environment cannot be made: apt install python3-venv" >&2; exit 1; }
	@echo "installing the environment into .venv (a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

report: install ## draw the practice's numbers as a page: make report FILE=/tmp/practice.html
	@$(BIN)/python -m tasks.report.practice_report $(FILE)

docs: install ## write the models' documentation as a page: make docs FILE=/tmp/dbt.html
	@$(BIN)/python -m tasks.report.documentation $(FILE)

dbt: install ## run dbt with the settings of .env: make dbt ARGS='build -s dim_patients'
	@$(if $(ARGS),$(BIN)/python -m tasks.dbt_by_hand $(ARGS),\
	  echo "Name the command that dbt should run, for example: make dbt ARGS='build -s dim_patients'")

deploy: install ## write the deployments to the Prefect server that PREFECT_API_URL names
	@$(BIN)/prefect config view | grep -q PREFECT_API_URL || { echo "PREFECT_API_URL is not set: start a server (.venv/bin/prefect server start) and name its address in .env or the environment." >&2; exit 1; }
	@$(BIN)/python -m tasks.prefect_server
	@$(BIN)/prefect work-pool inspect default >/dev/null 2>&1 || $(BIN)/prefect --no-prompt work-pool create default --type process
	@$(BIN)/prefect --no-prompt deploy --all

service: install ## make services of systemd: a nightly run, or a Prefect server and a worker
	@$(BIN)/python -m deployments.service $(ARGS)

##@ To work on it (docs/contributing.md):

lint: install ## check style, format and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

test: install ## run the test suite on private servers
	@$(BIN)/python -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder

thorough: install ## run every case of every test, which takes much longer
	@ELT_TEST_THOROUGH=1 $(BIN)/python -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder

properties: install ## send random tables the whole way, half an hour: make properties SECONDS=600
	@ELT_TEST_PROPERTY_SECONDS=$(or $(SECONDS),1800) $(BIN)/python -m pytest tests/journey/test_properties.py

histories: install ## play random histories with kills and tampering: make histories NUMBER=60
	@ELT_TEST_HISTORIES=$(or $(NUMBER),300) $(BIN)/python -m pytest tests/journey/test_histories.py tests/journey/test_kills.py

strangers: install ## play histories on other servers and settings: make strangers NUMBER=20
	@ELT_TEST_STRANGERS=$(or $(NUMBER),100) $(BIN)/python -m pytest tests/settings/test_strangers.py

ledgers: install ## compare random families' balances with an oracle: make ledgers NUMBER=2000
	@ELT_TEST_LEDGERS=$(or $(NUMBER),2000) $(BIN)/python -m pytest --capture=no tests/models/test_random_ledgers.py

days: install ## compare models made of changed rows with whole builds: make days NUMBER=30
	@ELT_TEST_DAYS=$(or $(NUMBER),30) $(BIN)/python -m pytest --capture=no tests/models/test_touched_rows.py

matrix: install ## run it on servers of other versions (hours): make matrix ARGS='--pair mysql-5.6:mariadb-10.5'
	@$(BIN)/python -m deployments.matrix $(ARGS)

bench: install ## measure what runs cost and how long writers wait (an hour)
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/benchmarks/throughput.py
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/benchmarks/stages.py
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/benchmarks/unchanged.py
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/benchmarks/changes.py
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/benchmarks/drivers.py
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/benchmarks/stall.py
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/benchmarks/proof.py
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/benchmarks/memory.py

types: install ## write the table of types in docs/promises.md from the rules
	@$(BIN)/python -m transfer.rules.types docs/promises.md

metrics: install ## write the catalogue of metrics, dbt/METRICS.md, from the models
	@$(BIN)/python -m tasks.report.catalogue dbt/METRICS.md

picture: install ## take the picture in README.md, docs/practice.png, after make demo
	@PYTHONPATH=tests/support:tests:. $(BIN)/python tests/picture.py
