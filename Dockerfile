# The online service with the model that is in use: no training framework, no shell needed, nobody's privileges.
#   docker build -t hypocenter .
#   docker run --read-only --tmpfs /tmp -v hypocenter:/data hypocenter demo
# A release names the base by its digest, which moves with every security update and is looked up when it is built:
#   docker build --build-arg PYTHON=docker.io/library/python:3.11-slim-bookworm@sha256:… .
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.lock requirements-image.lock ./
# What installs stays behind: the environment that goes into the image has no pip.
RUN python -m venv tools \
    && tools/bin/pip install --require-hashes -r requirements-image.lock \
    && python -m venv --without-pip /app \
    && tools/bin/pip --python /app/bin/python install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY model_store model_store
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && tools/bin/pip --python /app/bin/python install --no-deps dist/*.whl \
    && tools/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
        --output-format JSON --output-file hypocenter.cdx.json requirements.lock

FROM ${PYTHON}
LABEL org.opencontainers.image.title="hypocenter" \
      org.opencontainers.image.description="Finds the root cause of a microservice failure, from the alert that woke you" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app /app
COPY --from=build /build/hypocenter.cdx.json /usr/share/sbom/hypocenter.cdx.json
# A new volume takes its owner from here. The store's file lies in the working directory unless it is set otherwise.
RUN install --directory --owner=10001 --group=10001 /data
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=8)"]
ENTRYPOINT ["hypocenter"]
CMD ["serve"]
