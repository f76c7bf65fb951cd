# The worker: drives a simulator with the newest policy; neither torch nor a compiler is in it. EXTRAS=worker-base leaves
# the embedded car out, for simulators of one's own (own-simulator/). Build from the repository's root: `make images`.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG EXTRAS=worker-base,racetrack
# Where else pip may look.
ARG PIP_EXTRA_INDEX_URL
WORKDIR /src
COPY pyproject.toml requirements.lock LICENSE ./
# Wheels that no index has, if there are any.
COPY requirements.lock build/wheels* /wheels/
# Dependencies first, which change seldom.
RUN touch README.md \
 && pip install --no-cache-dir --no-compile --ignore-installed --prefix=/install --find-links=/wheels \
    --constraint=requirements.lock ".[${EXTRAS}]"
COPY protos protos
COPY worker_service worker_service
COPY deploy/__init__.py deploy/
COPY deploy/probe deploy/probe
# Times of whole seconds: numba knows a source by them, and layers keep no fractions.
RUN pip install --no-cache-dir --no-compile --no-deps --force-reinstall --prefix=/install . \
 && find /install -type f -exec touch --date=2020-01-01T00:00:00Z {} + \
 && python -m compileall -q -j 0 /install/lib

FROM ${BASE}
ARG EXTRAS=worker-base,racetrack
RUN useradd --uid 10001 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin l2r
COPY --from=build /install /usr/local
COPY deploy/docker/start /usr/local/bin/start
# The car's machine code, which a worker would compile for half a minute; another kind of processor compiles its own.
RUN pip check \
 && case "${EXTRAS}" in *racetrack*) NUMBA_CACHE_DIR=/opt/kernels python -c "import gymnasium, worker_service.simulators; \
    car = gymnasium.make('Racetrack-v0'); car.reset(seed=0); car.step(car.action_space.sample()); car.close()" ;; esac
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_CACHE_DIR=/tmp/kernels
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "deploy.probe", "connected"]
ENTRYPOINT ["start", "worker_service"]
CMD ["--learner", "learner:4444"]
# Last, as every commit changes them.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="distributed-l2r worker" \
      org.opencontainers.image.description="Drives simulators with the newest policy of a training run" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
