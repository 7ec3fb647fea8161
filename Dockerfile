# syntax=docker/dockerfile:1
# A site that keeps its own copy of the base names it by digest: --build-arg PYTHON=…@sha256:…
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/lanyard
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY policies policies
COPY sso sso
COPY connectors connectors
COPY gateway gateway
COPY demo demo
# Wheels only: no compiler is needed here, and none comes into the image.
RUN /opt/lanyard/bin/pip install --no-cache-dir --only-binary :all: -c constraints.txt . \
 && /opt/lanyard/bin/pip uninstall --yes pip

FROM ${PYTHON}
RUN groupadd --system --gid 10001 lanyard \
 && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/lanyard --create-home lanyard
COPY --from=build /opt/lanyard /opt/lanyard
ENV PATH=/opt/lanyard/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# By number, so that a cluster sees that it is nobody's root.
USER 10001:10001
WORKDIR /var/lib/lanyard
VOLUME /var/lib/lanyard
EXPOSE 8080 9090
# The ops listener stays on loopback unless the configuration says otherwise. Kubernetes asks by its own probes.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9090/healthz', timeout=2)"]
ENTRYPOINT ["lanyard"]
CMD ["serve", "--config", "/etc/lanyard/lanyard.toml"]
