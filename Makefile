PYTHON ?= python3
BIN := .venv/bin
# Relative, because pip splits the variable at blanks; and for pip alone, because what the team starts inherits the rest.
PIP = PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip

.DEFAULT_GOAL := help
.PHONY: help start demo test slow versions check bench soak soak-parts site links size coverage pictures reference release clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf 'make %-10s %s\n' "$$name" "$$text"; done

start: .venv/runtime ## run the team in the foreground
	@exec $(BIN)/teamsup start

demo: .venv/runtime ## show one alert from its first message to its end, in ten seconds
	@$(BIN)/teamsup demo

test: .venv/dev .venv/mcp-v1/made ## run the tests within four minutes on two cores
	$(BIN)/pytest -n 4 --dist worksteal -m 'not slow' # four side by side: most of the time they wait

slow: .venv/dev ## run the tests that take long: kills, outages, limits
	$(BIN)/pytest -n 4 --dist worksteal -m slow

versions: .venv/dev ## run some tests with each other Python from 3.11 to 3.14 that is installed
	.ci/versions

check: .venv/dev ## style, types and tests: what must be green before a commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) test

bench: .venv/bench ## measure, beside peers where they are installed
	$(BIN)/python -m benchmarks.first_answer
	$(BIN)/python -m benchmarks.footprint
	$(BIN)/python -m benchmarks.supervisors
	$(BIN)/python -m benchmarks.many_workers
	$(BIN)/python -m benchmarks.mcp_server
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.latency
	PYTHONPATH=tests $(BIN)/python -m benchmarks.discord_gateway
	$(BIN)/python -m benchmarks.alerts
	$(BIN)/python -m benchmarks.foreign_writers
	PYTHONPATH=tests $(BIN)/python -m benchmarks.agent_runs
	PYTHONPATH=tests $(BIN)/python -m benchmarks.server_store
	PYTHONPATH=tests $(BIN)/python -m benchmarks.server_years
	PYTHONPATH=tests $(BIN)/python -m benchmarks.two_hosts
	PYTHONPATH=tests $(BIN)/python -m benchmarks.web_page

soak: MINUTES ?= 60
soak: .venv/dev ## the whole team during kills and outages for MINUTES=60, then its balance sheet
	cd tests && ../$(BIN)/python -m soak.whole_team $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(abspath $(JSON)))

soak-parts: .venv/dev ## the hub, the workers and the supervisor each alone: more kills and messages than a whole team takes
	cd tests && ../$(BIN)/python -m soak.hammer 1000000
	cd tests && ../$(BIN)/python -m soak.hammer 300000 postgresql
	cd tests && ../$(BIN)/python -m hub.test_model 3000
	cd tests && ../$(BIN)/python -m soak.wakeups 100000
	cd tests && ../$(BIN)/python -m soak.growth 1000000
	cd tests && ../$(BIN)/python -m soak.clock_jumps 1000
	cd tests && ../$(BIN)/python -m soak.disturbances 300
	cd tests && ../$(BIN)/python -m helpers.kill_soak 100
	cd tests && ../$(BIN)/python -m helpers.stall_soak 30
	cd tests && ../$(BIN)/python -m soak.agent_runs 1000
	cd tests && ../$(BIN)/python -m workers.gateway.hammer 3000
	cd tests && ../$(BIN)/python -m soak.gateway_takeover 20
	cd tests && ../$(BIN)/python -m soak.two_networks
	cd tests && ../$(BIN)/python -m workers.monitor_bridge.hammer 2000

pictures: .venv/dev ## draw the pictures of README and docs, and the man page, again
	$(BIN)/python docs/record_demo.py
	$(BIN)/python docs/draw_architecture.py
	$(BIN)/python docs/write_man_page.py
	PYTHONPATH=tests $(BIN)/python docs/record_web.py

reference: .venv/dev ## write the pages of docs/ that are made from the code, and the man page
	$(BIN)/python docs/write_configuration.py
	$(BIN)/python docs/write_reference.py
	$(BIN)/python docs/write_man_page.py

release: .venv/release ## build wheel, sdist, list of licences and SBOM in dist/release; look for known weaknesses
	rm -rf dist/release
	$(BIN)/python -m hatchling build -d dist/release
	$(PYTHON) -m venv dist/clean && PIP_CONSTRAINT=constraints.txt dist/clean/bin/pip install --quiet dist/release/*.whl
	$(BIN)/pip-licenses --python dist/clean/bin/python --ignore-packages teamsup --format markdown --output-file dist/release/licences.md
	$(BIN)/cyclonedx-py environment dist/clean/bin/python --output-file dist/release/sbom.json
	$(BIN)/pip-audit --path dist/clean/lib/python*/site-packages --skip-editable || echo "Read what pip-audit says above before you publish."
	rm -rf dist/clean

site: .venv/docs ## build the documentation as a site in dist/site; a warning is an error
	$(BIN)/sphinx-build -q -W --keep-going -E -c docs . dist/site
	@echo "Open dist/site/docs/index.html"

links: .venv/docs ## ask each site that the pages link to whether the page is still there; this needs the network
	$(BIN)/sphinx-build -q -W --keep-going -b linkcheck -c docs . dist/links

size: .venv/dev ## lines of code a package, and the largest modules
	@$(BIN)/python -m benchmarks.size

coverage: .venv/dev .venv/mcp-v1/made ## show which lines the tests run, also in the processes that they start
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest -n 4 --dist worksteal -m 'not slow'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

clean: ## remove .venv and everything generated
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.*
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/runtime: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Say which Python to use: make start PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "teamsup needs Python 3.11 or newer, this is %d.%d. Say which to use: make start PYTHON=python3.11" % v[:2])'
	@echo "Making .venv and installing teamsup with its pinned dependencies; this takes a minute."
	@$(PYTHON) -m venv .venv
	@$(PIP) install --quiet --editable .
	@touch $@

.venv/dev .venv/bench .venv/docs .venv/release: .venv/%: .venv/runtime
	@echo "Installing what $* needs."
	@$(PIP) install --quiet --editable '.[$*]'
	@touch $@

# An MCP client of the SDK's first generation, to test with, which cannot be installed beside the second.
.venv/mcp-v1/made: tests/mcp-v1-constraints.txt | .venv/dev
	@echo "Making .venv/mcp-v1 with an older MCP client."
	@rm -rf $(@D)
	@$(BIN)/python -m venv --without-pip $(@D) && PIP_CONSTRAINT=$< PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip --python $(@D) install \
		--quiet --retries 1 --timeout 20 mcp && touch $@ || echo "It cannot be made; the tests that need it are skipped."
