# Two commands: `make demo` and `make test`. Both make .venv on first use; PYTHON=python3.x picks the interpreter.
SHELL := /bin/bash
VENV := $(CURDIR)/.venv
export VENV
INPUTS := setup.cfg pyproject.toml $(wildcard tools/*.sh headway_msgs/msg/*.msg) headway_msgs/CMakeLists.txt headway_msgs/package.xml
RUN := set -u; . tools/ros_setup.sh;

.PHONY: demo test test-nightly lint tables reference soak clean help

help:
	@echo "make demo    the three nodes on the bundled recording; results in out/demo"
	@echo "make test    every test, with lint and types"
	@echo "make test-nightly  1,000 examples and more of every property, and coverage-guided fuzzing; results in out"
	@echo "make lint    ruff, mypy and the import contract alone"
	@echo "make soak    the live graph for SECONDS (600), lifecycle cycles, SIGTERMs, frames at 720p; results in out;"
	@echo "             REALTIME=10 gives the nodes the priority that the systemd unit offers (as root);"
	@echo "             PARAMS=launch/config/cpu-bf16.yaml another parameter file than that of the launch files"
	@echo "make tables  write the generated tables of README.md anew"
	@echo "make reference  take what the bundled bag gives now as the reference output, and say what moved"
	@echo "make clean   remove .venv, out and caches"

$(VENV)/.demo-ready: $(INPUTS)
	@tools/check_system.sh
	@tools/setup.sh ros
	@touch $@

$(VENV)/.test-ready: $(INPUTS)
	@tools/check_system.sh render
	@tools/setup.sh ros,train,render,export,rtx,openvino,eval,dev
	@touch $@ $(VENV)/.demo-ready

demo: $(VENV)/.demo-ready
	@$(RUN) headway demo --out out/demo

# Files of tests go to as many processes as there are cores, one thread each. Where one dies the run ends, with the name of
# the test: in a new process the same test would be tried again and again.
PYTEST := OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --max-worker-restart 0

test: $(VENV)/.test-ready lint
	@$(RUN) $(PYTEST)

# 1,000 examples of every property and every fuzz target, then atheris on what reads bytes; counts in out/fuzz*.json.
test-nightly: $(VENV)/.test-ready
	@mkdir -p out
	@$(RUN) $(PYTEST) tests/fuzz $$(grep -rl --include='test_*.py' '^from hypothesis' tests | grep -v ^tests/fuzz) \
	--hypothesis-profile=nightly -o faulthandler_timeout=0 --fuzz-json out/fuzz.json && \
	if [ "$$(uname -m)" != x86_64 ]; then echo "atheris has no wheels for $$(uname -m): left out"; exit 0; fi && \
	pip install --quiet atheris && \
	python tools/fuzz_bytes.py image --runs 100000 --json out/fuzz-image.json && \
	python tools/fuzz_bytes.py manifest --runs 20000 --json out/fuzz-manifest.json

lint: $(VENV)/.test-ready
	@$(RUN) ruff format --check . && ruff check . && tools/check_types.sh && lint-imports

reference: $(VENV)/.test-ready
	@$(RUN) python tools/reference_output.py --renew

tables: $(VENV)/.test-ready
	@$(RUN) python tools/readme_tables.py README.md

SECONDS ?= 600
LIVE := $(if $(REALTIME),--realtime $(REALTIME)) $(if $(PARAMS),--params $(PARAMS))
soak: $(VENV)/.demo-ready
	@mkdir -p out
	@$(RUN) python tools/soak.py --seconds $(SECONDS) $(LIVE) --json out/soak.json; soak=$$?; \
	python tools/transport.py $(LIVE) --json out/transport.json && exit $$soak

clean:
	rm -rf .venv out build install log .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
