# `make test` is everything CI runs; `make check` is the quick part. Both install what they need first.
PYTHON = .venv/bin/python
RUN = ./volutus

.PHONY: setup check types style rules test test-ceph lock format client bench screenshots messages

setup:
	@$(RUN) install --dev >/dev/null

check: types style rules

types: setup
	$(PYTHON) -m mypy

style: setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) tools/lock.py --check

rules: setup
	$(PYTHON) -m pytest tests/rules

client: setup
	@test -e .cache/client/.done && test -z "$$(find requirements-client.lock client -newer .cache/client/.done)" || { \
	  rm -rf .cache/client && /usr/bin/python3 -m venv .cache/client && \
	  .cache/client/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-client.lock && \
	  .cache/client/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation ./client && \
	  touch .cache/client/.done; }

# Those that drive real guests or start whole clouds need both cores for themselves; they wait half of their
# time, so two of them run beside each other.
test:
	$(MAKE) --jobs=2 --output-sync=target check client
	$(PYTHON) -m pytest -n 2 -m "not machine and not live and not ceph"
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "machine or live"

# Volumes on a real Ceph cluster, made for the tests on this machine: 1.5 GiB of memory, some minutes.
test-ceph: setup client
	$(RUN) install --dev --ceph >/dev/null
	$(PYTHON) -m pytest -m ceph --durations=10

format: setup
	$(PYTHON) -m ruff check --fix --quiet . ; $(PYTHON) -m ruff format .

lock: setup
	$(PYTHON) tools/lock.py

# Figures, not a test: what they say depends on the machine. `make bench QUICK=--quick` takes a minute.
bench: setup
	$(PYTHON) bench/control_plane.py $(QUICK)

# Every page of the console, for docs/use/console.md and for whoever changed its look.
screenshots: setup
	$(PYTHON) tools/screenshots.py $(DIRECTORY)

# The console's messages into its catalogues; what is new there waits for a translation.
messages: setup
	$(PYTHON) tools/messages.py
