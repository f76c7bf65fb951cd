# The learner: replay, trainer and gRPC server. Build from the repository's root: `make images`.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
# Where else pip may look: PyTorch's index of CPU builds, for example; PyPI's torch brings CUDA along.
ARG PIP_EXTRA_INDEX_URL
WORKDIR /src
COPY pyproject.toml requirements.lock LICENSE ./
# Wheels that no index has, if there are any.
COPY requirements.lock build/wheels* /wheels/
# Dependencies first, which change seldom.
RUN touch README.md \
 && pip install --no-cache-dir --no-compile --ignore-installed --prefix=/install --find-links=/wheels \
    --constraint=requirements.lock '.[learner]'
COPY protos protos
COPY learner_service learner_service
COPY deploy/__init__.py deploy/
COPY deploy/probe deploy/probe
# Some of torch's own tests are written for a newer Python.
RUN pip install --no-cache-dir --no-compile --no-deps --force-reinstall --prefix=/install . \
 && python -m compileall -q -j 0 -x '/torch/testing/_internal/' /install/lib

FROM ${BASE}
# The base's setuptools makes room for the one that torch needs; a volume mounted at /data for the first time takes over
# whose folder it is.
RUN pip uninstall --quiet --yes setuptools \
 && useradd --uid 10001 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin l2r \
 && install --directory --owner=10001 --group=10001 /data
COPY --from=build /install /usr/local
COPY deploy/docker/start /usr/local/bin/start
RUN pip check
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
USER 10001:10001
EXPOSE 4444
# Alive, not serving: a learner serves once the first worker has brought its spaces, and workers wait for this check.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "deploy.probe", "alive"]
ENTRYPOINT ["start", "learner_service"]
CMD ["--host", "0.0.0.0", "--run-dir", "/data/run"]
# Last, as every commit changes them.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="distributed-l2r learner" \
      org.opencontainers.image.description="Replay, trainer and gRPC server of a training run" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
