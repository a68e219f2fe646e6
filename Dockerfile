# syntax=docker/dockerfile:1
# The gateway as an image, for amd64 and arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 -t anju .
# Every dependency comes as a wheel on both, so that nothing is compiled. Python and Debian are those of the tests.
ARG PYTHON=3.11.15-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /source
COPY . .
RUN deploy/image/build.sh /opt/anju

FROM python:${PYTHON}
# Voice calls over a SIP trunk need "baresip-core espeak-ng": docker compose build --build-arg PACKAGES="…"
ARG PACKAGES=""
RUN set -eu; \
    if [ -n "$PACKAGES" ]; then \
        apt-get update; \
        apt-get install -y --no-install-recommends $PACKAGES; \
        rm -rf /var/lib/apt/lists/*; \
    fi; \
    python -m pip uninstall -q -y --root-user-action ignore pip setuptools wheel; \
    rm -rf /usr/local/lib/python3*/ensurepip; \
    groupadd --gid 8120 anju; \
    useradd --uid 8120 --gid 8120 --home-dir /var/lib/anju --no-create-home --shell /usr/sbin/nologin anju; \
    install -d -o anju -g anju -m 0700 /var/lib/anju
COPY --from=build /opt/anju /opt/anju
COPY deploy/image/entrypoint.sh deploy/image/healthcheck.py /opt/anju/
COPY examples /usr/share/anju/examples
ENV PATH=/opt/anju/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LANG=C.UTF-8
USER 8120:8120
WORKDIR /var/lib/anju
VOLUME /var/lib/anju
EXPOSE 8120
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s --retries=3 CMD ["python", "/opt/anju/healthcheck.py"]
ENTRYPOINT ["/opt/anju/entrypoint.sh"]
CMD ["serve"]
