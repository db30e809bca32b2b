# What runs is in the last stage; what it takes to make it stays in the first.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements requirements
RUN python -m venv /opt/antigravity \
 && /opt/antigravity/bin/pip install --require-hashes --no-deps -r requirements/runtime.lock \
 && /opt/antigravity/bin/pip install --require-hashes --no-deps -r requirements/build.lock
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY twisted twisted
COPY antigravity_proxy antigravity_proxy
# twistd finds its plugins through a cache, which must be there before the file system is read-only
RUN /opt/antigravity/bin/pip install --no-deps --no-build-isolation . \
 && /opt/antigravity/bin/twistd --help > /dev/null \
 && /opt/antigravity/bin/pip uninstall --yes setuptools pip \
 && /opt/antigravity/bin/python -m compileall -q /opt/antigravity/lib

FROM build AS test
COPY . .
RUN python -m venv .venv && .venv/bin/pip install --config-settings editable_mode=compat -e '.[dev]'
CMD [".venv/bin/python", "-m", "pytest", "-n", "2", "--dist", "loadfile"]

FROM ${BASE} AS production
ARG BASE
ARG REVISION=unknown
ARG SOURCE
LABEL org.opencontainers.image.title="antigravity-proxy" \
      org.opencontainers.image.description="OpenAI-, Anthropic- and Gemini-compatible APIs over the accounts of a credential volume" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/antigravity /opt/antigravity
# health checks that were written for curl (-f URL) work too
COPY compose/curl /usr/local/bin/curl
RUN groupadd --gid 1000 antigravity \
 && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /app --shell /usr/sbin/nologin antigravity \
 && mkdir -p /app/data \
 && mkdir -m 0700 /app/state \
 && chown 1000:1000 /app/data /app/state \
 && chmod 0755 /usr/local/bin/curl
# the ports inside are the image's, whatever the app's settings say for the machine that it runs on
ENV PATH=/opt/antigravity/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ANTIGRAVITY_DATA_DIR=/app/data \
    PROXY_HOST=0.0.0.0 \
    PROXY_PORT=8045 \
    OAUTH_LISTEN_HOST=0.0.0.0 \
    OAUTH_LISTEN_PORT=8888 \
    LOG_FORMAT=json
WORKDIR /app
USER 1000:1000
EXPOSE 8045 8888
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s --retries=3 CMD ["antigravity-proxy", "healthcheck"]
CMD ["twistd", "--nodaemon", "--pidfile=", "antigravity"]
