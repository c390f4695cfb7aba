# jobrunner itself: API, scheduler and worker are one image with three commands (see docker-compose.yml).
# The base needs Python 3.11 or newer, or to be a Debian that has one.
ARG BASE=python:3.11-slim
FROM ${BASE}

RUN python3 -c "import ensurepip" 2>/dev/null \
    || (apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*)

COPY setup.cfg pyproject.toml README.md /src/
COPY jobrunner /src/jobrunner
RUN python3 -m venv /opt/jobrunner && /opt/jobrunner/bin/pip install --no-cache-dir /src && rm -r /src

RUN useradd --system --create-home --home-dir /var/lib/jobrunner jobrunner
ENV PATH=/opt/jobrunner/bin:$PATH PYTHONUNBUFFERED=1 JOBRUNNER_STATE_DIR=/var/lib/jobrunner
WORKDIR /var/lib/jobrunner
USER jobrunner

ENTRYPOINT ["jobrunner"]
CMD ["api"]
