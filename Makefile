# Everything a newcomer needs: `make demo` and `make test`. Both set up .venv first, on any machine with Python 3.11+.
PYTHON ?= python3
VENV := .venv
CLIENTS := build/clients
NEWEST := build/newest
OLDEST := build/oldest
PREVIOUS := build/previous
CONFORMANCE := build/conformance
MATRIX := build/matrix.md
# one that its distribution has built with profile-guided optimization, for measuring
BENCH_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) $(PYTHON))
BENCH := build/bench
BIN := $(VENV)/bin
# processes of `make test`: one more than a small machine's cores, since many tests wait for sockets
WORKERS ?= 3
# seconds of CPU: two cores for three minutes, less what is spent waiting
CPU_BOUND ?= 200
CONTAINER ?= docker
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
LOCK := --python-version 3.13 --generate-hashes --no-header --no-annotate --upgrade --quiet

# without compiled files each of the tests' processes would compile and rewrite everything again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo run check test coverage test-oldest test-hostile test-replicas test-clients test-conformance test-browser screenshot test-containers fuzz hammer lint style types format bench bench-counts bench-dialects bench-volume lock docs openapi changelog dist deb release clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 15

demo: $(VENV)/.runtime ## the real daemon on a simulated Google: no account, no network
	@$(BIN)/antigravity-proxy demo

run: $(VENV)/.runtime ## the daemon, with the settings of the environment
	$(BIN)/twistd -n --pidfile= antigravity

check: $(VENV)/.dev ## all that CI runs, each part with its time; PARTS="lint test" runs some
	@$(BIN)/python tests/check.py $(PARTS)

test: $(VENV)/.dev ## the tests; prints the slowest, and fails where all take more CPU time than fits three minutes
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cpu-bound=$(CPU_BOUND)

coverage: $(VENV)/.dev ## the tests again, traced; fails where they leave too much untried (about four minutes)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=
	$(BIN)/python tests/coverage_gate.py

test-oldest: $(OLDEST)/.dev ## the tests with the oldest dependencies that setup.cfg allows
	$(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-hostile: $(VENV)/.dev ## every fault and attack of docs/security.md, with its table (about five minutes)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "hostile or row" --matrix=$(MATRIX)

test-replicas: $(VENV)/.dev ## several daemons on one Redis, and Redis in trouble (about two minutes; needs redis-server)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m replicas tests/replicas

test-clients: $(VENV)/.dev $(CLIENTS)/.python $(CLIENTS)/.node $(NEWEST)/.node $(PREVIOUS)/.node ## real clients, agents among them, against the daemon (about two minutes)
	$(BIN)/python -m pytest -n 2 -m clients tests/clients

test-conformance: $(VENV)/.dev $(CONFORMANCE)/.sources ## the vendors' own tests of their Python packages, against the daemon (about three minutes)
	$(BIN)/python -m pytest -rP -m conformance tests/conformance

test-browser: $(VENV)/.browser ## the admin pages in a real, headless browser (about a minute)
	@if ! { command -v chromium && command -v chromedriver; } >/dev/null; then \
	echo "no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver): the browser tests are skipped"; else \
	$(BIN)/python -m pytest -m browser tests/browser; fi

screenshot: $(VENV)/.browser ## the picture of the status page in README (needs chromium and chromedriver)
	PICTURE=docs/images/page.png $(BIN)/python -m pytest -m browser -k picture tests/browser

test-containers: $(VENV)/.dev ## image, compose files, Debian package and a whole release, in real containers; CONTAINER= and COMPOSE= name other commands than Docker's
	$(BIN)/python -m pytest -rP -m containers tests/containers

fuzz: $(VENV)/.dev ## new random examples for the tests that take any (about ten minutes)
	$(BIN)/python -m pytest -n 2 -m hypothesis --hypothesis-profile=fuzz

hammer: $(VENV)/.dev ## thousands of snapshots against writers that don't stop, a minute of two writers (about ten minutes)
	HAMMER_SNAPSHOTS=2000 WRITERS_SECONDS=60 $(BIN)/python -m pytest -n 2 -rP tests/volume/test_hammer.py tests/e2e/test_two_writers.py

lint: style types ## style, types, import layers, known vulnerabilities
	$(BIN)/lint-imports
	$(BIN)/python tests/audit_gate.py

style: $(VENV)/.dev ## ruff alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy alone
	$(BIN)/mypy

format: $(VENV)/.dev ## puts the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH)/.python ## what the daemon costs, beside Twisted's own floors: CPU and memory (about seven minutes)
	$(BENCH)/bin/python benchmarks/bench.py

bench-counts: $(VENV)/.dev ## what a request costs exactly: system calls (needs strace) and Python calls, against their bounds
	$(BIN)/python benchmarks/counts.py

bench-dialects: $(VENV)/.dev ## what each dialect's own part costs
	PYTHONPATH=tests $(BIN)/python benchmarks/dialects.py

bench-volume: $(VENV)/.dev ## what volumes of 10 to 100,000 accounts cost
	$(BIN)/python benchmarks/volume.py

openapi: $(VENV)/.dev ## docs/reference/openapi*.json, from the code and the tables of fields
	$(BIN)/python docs/tools/openapi.py

docs: $(VENV)/.docs ## all documents as static pages, in build/docs; a broken link is an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs -b html . build/docs

lock: ## updates the image's pinned dependencies and their checksums
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile setup.cfg $(LOCK) --output-file requirements/runtime.lock
	echo 'setuptools>=77' | build/lock/bin/uv pip compile - $(LOCK) --output-file requirements/build.lock

changelog: $(VENV)/.dev ## the fragments of changelog.d/ become CHANGELOG.md's section of the version that the package states
	$(BIN)/towncrier build --yes --version $$($(BIN)/antigravity-proxy --version | sed 's/.* //')

dist: $(VENV)/.dev ## wheel and sdist, in dist/
	$(BIN)/python -m build

deb: ## the Debian package, in dist/, by a container engine; BASE= names another Debian than trixie
	$(CONTAINER) build --network=host --file deploy/debian/Dockerfile $(if $(BASE),--build-arg BASE=$(BASE)) \
	--build-arg SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) --output dist .

release: $(VENV)/.release ## packages, image, bill of materials, provenance and checksums in dist/, all tried (docs/releasing.md)
	$(BIN)/python deploy/release/release.py

clean: ## removes what the others made
	rm -rf $(VENV) build tests/clients/node_modules dist *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis

# editable in its compatible mode: twistd finds plugins by walking directories
$(VENV)/.runtime: setup.cfg pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat -e .
	touch $@

$(VENV)/.dev: setup.cfg pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat -e '.[dev]'
	touch $@ $(VENV)/.runtime

$(BENCH)/.python: $(VENV)/.dev
	$(BENCH_PYTHON) -m venv --clear --without-pip $(BENCH)
	$(BIN)/pip --python $(BENCH) install --quiet --disable-pip-version-check --config-settings editable_mode=compat -e .
	touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat -e '.[docs]'
	touch $@

# what is listed for run time at its lower bounds; the tools of the tests as new as they are
$(OLDEST)/.dev: setup.cfg pyproject.toml
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check uv
	$(OLDEST)/bin/uv pip compile --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --extra otel --extra keychain setup.cfg \
	--output-file $(OLDEST)/oldest.txt
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --compile-bytecode --config-settings editable_mode=compat \
	--constraint $(OLDEST)/oldest.txt -e '.[dev]'
	touch $@

$(VENV)/.browser: $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat -e '.[browser]'
	touch $@

$(VENV)/.release: $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat -e '.[release]'
	touch $@

$(CLIENTS)/.python: tests/clients/python/requirements.txt
	$(PYTHON) -m venv --clear $(CLIENTS)/venv
	$(CLIENTS)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# their tests are in the source packages alone; nothing of those is built or installed
$(CONFORMANCE)/.sources: tests/conformance/requirements.txt
	$(PYTHON) -m venv --clear $(CONFORMANCE)/venv
	$(CONFORMANCE)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	for package in $$(sed -n 's/^\(openai\|anthropic\|google-genai\)\[.*\]/\1/p' $<); do \
	$(CONFORMANCE)/venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation --dest $(CONFORMANCE) $$package && \
	tar -xzf $(CONFORMANCE)/$$(echo $$package | sed 's/-/_/; s/==/-/').tar.gz -C $(CONFORMANCE) || exit 1; done
	touch $@

$(PREVIOUS)/.node: tests/clients/previous/package-lock.json
	@mkdir -p $(PREVIOUS)
	@if ! { command -v node && command -v npm; } >/dev/null; then echo "no node here: the previous packages are skipped"; else \
	cp tests/clients/previous/package*.json $(PREVIOUS) && \
	npm ci --prefix $(PREVIOUS) --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; fi

# the newest agents, whatever they are today: so that their next change is seen
$(NEWEST)/.node:
	@mkdir -p $(NEWEST)
	@if ! { command -v node && command -v npm; } >/dev/null; then echo "no node here: the newest agents are skipped"; else \
	npm install --prefix $(NEWEST) --ignore-scripts --no-audit --no-fund --loglevel=error \
	@openai/codex@latest @anthropic-ai/claude-code@latest @google/gemini-cli@latest opencode-linux-x64@latest && touch $@; fi

# no package's script runs at its installation
$(CLIENTS)/.node: tests/clients/package-lock.json
	@mkdir -p $(CLIENTS)
	@if ! { command -v node && command -v npm; } >/dev/null; then echo "no node here: JavaScript packages and agents are skipped"; else \
	cp tests/clients/package*.json $(CLIENTS) && \
	npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --loglevel=error && \
	ln -sfn ../../$(CLIENTS)/node_modules tests/clients/node_modules && \
	touch $@; fi
