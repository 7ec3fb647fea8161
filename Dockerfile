# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/lanyard
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY policies policies
COPY sso sso
COPY connectors connectors
COPY gateway gateway
COPY demo demo
RUN /opt/lanyard/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/lanyard --create-home lanyard
COPY --from=build /opt/lanyard /opt/lanyard
ENV PATH=/opt/lanyard/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/lanyard
VOLUME /var/lib/lanyard
EXPOSE 8080
# The ops listener stays on loopback unless the configuration says otherwise.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9090/healthz', timeout=2)"]
ENTRYPOINT ["lanyard"]
CMD ["serve", "--config", "/etc/lanyard/lanyard.toml"]
