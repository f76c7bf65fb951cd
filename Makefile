# distributed-l2r: `make run` sets up and runs the main job, `make test` sets up and passes the tests.

.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed
EXTRAS := learner,worker,run,optimal,dev

# One thread a process: the processes share the cores (make run starts four).
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

# Where tools lie that start a Docker engine and a Kubernetes; without them, tests that need one are skipped and say so.
TESTBED ?= ../shared/testbed

BENCHMARKS := racetrack_steps ingest interference sampling updates worker_loop distribution scale
# These compare with stable-baselines3, or sample with py-spy, and leave rows out where it does not install.
COMPARING := sampling updates cpu_profile

PROTOS := $(wildcard protos/distrib_l2r/v1/*.proto)
PROTOC := ../$(BIN)/python -m grpc_tools.protoc -I. \
	--plugin=protoc-gen-mypy=../$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=../$(BIN)/protoc-gen-mypy_grpc

## The main job; options MINUTES= WORKERS= TRACK= ENV= SEED= RUN_DIR= RESUME=1 LEARNER_FLAGS=
.PHONY: run
run: $(SETUP)
	$(BIN)/python -m deploy.local $(if $(MINUTES),--minutes $(MINUTES)) $(if $(WORKERS),--workers $(WORKERS)) \
		$(if $(TRACK),--track $(TRACK)) $(if $(ENV),--env $(ENV)) $(if $(SEED),--seed $(SEED)) \
		$(if $(RUN_DIR),--run-dir $(RUN_DIR)) $(if $(RESUME),--resume) $(if $(LEARNER_FLAGS),--learner-flags="$(LEARNER_FLAGS)")

## How well saved policies race; options POLICY="runs/x/best ..." TRACK= LAPS= SEED= OUT=
.PHONY: evaluate
evaluate: $(SETUP)
	$(BIN)/python -m deploy.evaluate $(POLICY) $(if $(TRACK),--track $(TRACK)) $(if $(LAPS),--laps $(LAPS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(OUT),--out $(OUT))

## Workers and learner laid onto a cluster's GPUs, as the run's overlay; options WORKERS= RUN= NODES=file PLAN_FLAGS=
.PHONY: plan
plan: $(SETUP)
	$(needs_workers)
	$(if $(NODES),,$(needs_kubectl))
	$(if $(NODES),,kubectl get nodes --output=json |) $(BIN)/python -m deploy.plan --nodes $(or $(NODES),-) --run $(RUN) \
		--workers $(WORKERS) $(PLAN_FLAGS)

## All tests: units, then those with real processes; those of manifests are part of check
.PHONY: test
test: $(SETUP)
	$(BIN)/python -m pytest -m "not slow" --ignore tests/deploy_manifests
	$(BIN)/python -m pytest -m "slow and not containers and not kubernetes"

## The unit tests alone, under two minutes; those of manifests are part of check
.PHONY: test-unit
test-unit: $(SETUP)
	$(BIN)/python -m pytest -m "not slow" --ignore tests/deploy_manifests

## The images in containers, against a real Docker engine; TESTBED=folder with the tool that starts one
.PHONY: test-containers
test-containers: $(SETUP)
	TESTBED=$(TESTBED) $(BIN)/python -m pytest -m containers

## The manifests on a real Kubernetes; TESTBED=folder with the tool that starts one
.PHONY: test-kubernetes
test-kubernetes: $(SETUP)
	TESTBED=$(TESTBED) $(BIN)/python -m pytest -m kubernetes

include deploy/deploy.mk
include deploy/encoder/encoder.mk
include deploy/torcs/torcs.mk

## Everything that can be checked by reading: style, types, contract, generated code, manifests
.PHONY: check
check: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/buf lint protos
	$(BIN)/buf format --diff --exit-code protos
	$(BIN)/buf breaking protos --against protos/v1.binpb
	out=$$(mktemp -d) && trap "rm -rf $$out" EXIT && $(call generate,$$out) && \
		for file in $$(cd $$out && find . -name '*_pb2*'); do diff -u protos/$$file $$out/$$file \
			|| { echo "generated code is not up to date: run make protos"; exit 1; }; done
	$(BIN)/python -m pytest tests/deploy_manifests

## Faults against real processes until replay is audited; options FAULTS=1000 SEED=0 CHAOS_FLAGS=
.PHONY: chaos
chaos: $(SETUP)
	$(BIN)/python -m tests.chaos --faults $(or $(FAULTS),1000) --seed $(or $(SEED),0) $(CHAOS_FLAGS)

## Benchmarks, JSON lines and a table; BENCH=name runs one of tests/benchmarks, BENCH_FLAGS=--quick briefly; all: an hour
.PHONY: bench
bench: $(SETUP)
	$(if $(filter %stable_baselines3,$(BENCH)),$(install_comparison))
	$(if $(filter $(COMPARING),$(or $(BENCH),$(BENCHMARKS))),$(install_comparison) || echo "SKIPPED stable-baselines3, py-spy" >&2)
	for name in $(or $(BENCH),$(BENCHMARKS)); do $(BIN)/python -m tests.benchmarks.$$name $(BENCH_FLAGS) || exit 1; done

## The shipped optimal laps anew, by optimal control; takes minutes a circuit
.PHONY: optima
optima: $(SETUP)
	$(BIN)/python -m worker_service.simulators.racetrack.solve --ship

## Generated code from the contract
.PHONY: protos
protos: $(SETUP)
	$(call generate,.)

## The virtual environment .venv, with everything at the versions of requirements.lock
.PHONY: setup
setup: $(SETUP)

$(SETUP): pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[$(EXTRAS)]'
	touch $@

## Learn-to-Race's circuits for TRACK=l2r:thruxton and TRACK=l2r:anglesey, in the published package l2r
.PHONY: l2r-maps
l2r-maps: $(SETUP)
	$(BIN)/python -m pip install --quiet --no-deps l2r==0.0.2

## The published client of Learn-to-Race, l2r 0.0.2, in an environment of its own, for the test of the emulator
.PHONY: l2r-client
l2r-client: build/l2r-client/.installed

# The client itself without its own list of versions, which Python 3.11 cannot have (see the file).
build/l2r-client/.installed: tests/l2r/client-requirements.txt
	rm -rf build/l2r-client && $(PYTHON) -m venv build/l2r-client
	build/l2r-client/bin/python -m pip install --quiet --requirement $<
	build/l2r-client/bin/python -m pip install --quiet --no-deps l2r==0.0.2
	touch $@

## A recorded episode as a picture of its line and as a moving picture; RECORDING=file.h5 OUT=folder
.PHONY: replay
replay: $(SETUP)
	$(BIN)/python -m deploy.replay $(RECORDING) $(if $(OUT),--out $(OUT))

## Newest versions that pyproject.toml allows, as the new requirements.lock
.PHONY: lock
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet '.[$(EXTRAS),comparison]'
	{ echo "# Versions that make setup installs; made by make lock."; build/lock/bin/python -m pip freeze \
		| grep -v '^distributed-l2r' | sed 's/+cpu$$//'; } > requirements.lock
	rm -rf build/lock

## Removes what setup, tests and runs made, except runs/
.PHONY: clean
clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

## This list
.PHONY: help
help:
	@awk '/^## / { line = substr($$0, 4) } /^[a-z0-9-]+:/ && line { split($$1, name, ":"); \
		printf "make %-15s %s\n", name[1], line; line = "" }' $(MAKEFILE_LIST)

define install_comparison
$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[comparison]'
endef

define generate
(cd protos && $(PROTOC) --python_out=$(1) --mypy_out=quiet:$(1) \
	$(PROTOS:protos/%=%) && $(PROTOC) --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) \
	distrib_l2r/v1/learner_service.proto)
endef
