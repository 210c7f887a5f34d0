# One image for all services of Nightdesk; docker-compose.yml says which of them a container runs.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS packages
# Empty means pip's own default; a machine behind a mirror gives its own.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY deploy/requirements.lock /tmp/requirements.lock
RUN python -m venv --without-pip /opt/nightdesk \
 && python -m pip --python /opt/nightdesk/bin/python install --no-cache-dir --disable-pip-version-check \
      --only-binary :all: --require-hashes -r /tmp/requirements.lock

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/nightdesk/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 nightdesk \
 && useradd --uid 10001 --gid nightdesk --no-create-home --home-dir /data --shell /usr/sbin/nologin nightdesk \
 && install -d -o nightdesk -g nightdesk /data /build
COPY --from=packages /opt/nightdesk /opt/nightdesk
COPY . /app
USER nightdesk
WORKDIR /data
ENTRYPOINT ["python", "-m"]
CMD ["stack.cli", "--help"]
