# Included by the Makefile: targets that need Docker or kubectl and nothing else. deploy/README.md tells more.

TAG ?= dev
RUN ?= my-run
OVERLAY ?= local
# Folders of wheels that pip takes on this machine are taken into the images' builds as well.
WHEELS ?= $(PIP_FIND_LINKS)
WHEEL_FILES = $(wildcard $(WHEELS:%=%/*.whl))

DOCKER_BUILD = docker build $(if $(BASE),--build-arg BASE=$(BASE)) \
	$(if $(PIP_EXTRA_INDEX_URL),--build-arg PIP_EXTRA_INDEX_URL) \
	--build-arg REVISION=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
# What is given to make, such as WORKERS, reaches the Compose file through the environment.
COMPOSE = TAG=$(TAG) COMPOSE_PROFILES=$(PROFILE) docker compose --file deploy/compose.yaml
KUBECTL = kubectl $(if $(NAMESPACE),--namespace $(NAMESPACE))
RUN_FOLDER = deploy/runs/$(RUN)

# $(call needs,TEST,SENTENCE): ends with the sentence where the test fails.
needs = @$(1) >/dev/null 2>&1 || { echo "make $@: $(2)" >&2; exit 1; }
define needs_docker
$(call needs,command -v docker,docker is not installed: install Docker Engine or Docker Desktop)
$(call needs,docker info,no Docker engine answers: start one or let DOCKER_HOST name it)
endef
define needs_compose
$(needs_docker)
$(call needs,docker compose version,docker compose is not installed: install Docker's Compose plugin)
endef
needs_kubectl = $(call needs,command -v kubectl,kubectl is not installed: install the version of your cluster)
needs_workers = $(call needs,test -n "$(WORKERS)",the number of workers is missing: give for example WORKERS=8)

## Images learner, worker and worker-base; options TAG= BASE= WHEELS=folder PIP_EXTRA_INDEX_URL=
.PHONY: images
images:
	$(needs_docker)
	rm -rf build/wheels
	$(if $(WHEEL_FILES),mkdir -p build/wheels && cp $(WHEEL_FILES) build/wheels)
	$(DOCKER_BUILD) --file deploy/docker/learner.Dockerfile --tag distributed-l2r/learner:$(TAG) .
	$(DOCKER_BUILD) --file deploy/docker/worker.Dockerfile --tag distributed-l2r/worker:$(TAG) .
	$(DOCKER_BUILD) --file deploy/docker/worker.Dockerfile --build-arg EXTRAS=worker-base \
		--tag distributed-l2r/worker-base:$(TAG) .

## A run in containers; options WORKERS= TAG= LEARNER_FLAGS= WORKER_FLAGS= PORT= PROFILE=monitoring
.PHONY: up
up:
	$(call needs,test "$(PROFILE:monitoring=)" = "",PROFILE is \"$(PROFILE)\"; it must be monitoring or empty)
	$(needs_compose)
	$(COMPOSE) up --detach
	@$(if $(PROFILE),echo "dashboard: http://127.0.0.1:$${GRAFANA_PORT:-3000}")

## What its containers say
.PHONY: logs
logs: PROFILE = monitoring
logs:
	$(needs_compose)
	$(COMPOSE) logs --follow --tail 20

## Another number of its workers; option WORKERS=8
.PHONY: scale
scale:
	$(needs_workers)
	$(needs_compose)
	$(COMPOSE) up --detach --no-recreate --scale worker=$(WORKERS)

## Ends it and its monitoring; its volume stays, and `make up` goes on from there
.PHONY: down
down: PROFILE = monitoring
down:
	$(needs_compose)
	$(COMPOSE) down

## The alerts as prometheus-operator takes them, from those of deploy/monitoring/prometheus
.PHONY: operator-alerts
operator-alerts:
	@{ printf '%s\n' "# Made by make operator-alerts from the alerts of deploy/monitoring/prometheus: change those." \
		"apiVersion: monitoring.coreos.com/v1" "kind: PrometheusRule" "metadata:" "  name: distributed-l2r" "spec:"; \
		sed 's/^./  &/' deploy/monitoring/prometheus/alerts.yaml; } > deploy/monitoring/operator/alerts.yaml

## The manifests of a run on Kubernetes; options RUN=my-run OVERLAY=local
.PHONY: k8s-render
k8s-render: $(RUN_FOLDER)/kustomization.yaml
	$(needs_kubectl)
	@kubectl kustomize $(RUN_FOLDER)

## Brings the run onto the cluster, or up to date there; options RUN= OVERLAY= NAMESPACE=
.PHONY: k8s-apply
k8s-apply: $(RUN_FOLDER)/kustomization.yaml
	$(needs_kubectl)
	$(KUBECTL) apply --kustomize $(RUN_FOLDER)

## Another number of its workers; options WORKERS=8 RUN= NAMESPACE=
.PHONY: k8s-scale
k8s-scale:
	$(needs_workers)
	$(needs_kubectl)
	$(KUBECTL) scale deployment/$(RUN)-worker --replicas=$(WORKERS)

## Ends it; its volume claim stays, and `make k8s-apply` goes on from there; options RUN= NAMESPACE=
.PHONY: k8s-delete
k8s-delete: $(RUN_FOLDER)/kustomization.yaml
	$(needs_kubectl)
	$(KUBECTL) delete --ignore-not-found --kustomize $(RUN_FOLDER)

# A run's own folder, made once from an overlay and edited from then on: flags, images, number of workers.
$(RUN_FOLDER)/kustomization.yaml:
	@grep -qE '^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$$' <<< "$(RUN)" || { echo "RUN is \"$(RUN)\"; it must be at most 40 small \
	letters, digits and hyphens, a letter first: give for example RUN=kestrel" >&2; exit 1; }
	@test -d deploy/overlays/$(OVERLAY) || { echo "OVERLAY is \"$(OVERLAY)\"; it must be a folder of deploy/overlays: \
	$$(ls deploy/overlays | xargs)" >&2; exit 1; }
	@mkdir -p $(@D)
	@sed 's/my-run/$(RUN)/g' deploy/overlays/$(OVERLAY)/kustomization.yaml > $@
	@echo "made $@ from deploy/overlays/$(OVERLAY): edit it for this run" >&2
