# One image for web, worker, beat and the demo market; the command chooses.
FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY requirements.lock .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.13-slim-trixie
RUN useradd --system --uid 10001 --create-home --home-dir /home/tradeul tradeul
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py ./
COPY tradeul_ops tradeul_ops
COPY streams streams
COPY snapshots snapshots
COPY timescale timescale
COPY templates templates
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BEAT_SCHEDULE_FILE=/home/tradeul/beat-schedule
USER tradeul
EXPOSE 8000
# Of the web process; docker-compose.yml has one for each of the others. Python asks: the image needs no curl and no shell.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=6 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["gunicorn", "tradeul_ops.wsgi", "--no-control-socket", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8"]
