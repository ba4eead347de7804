# The server on a CPU. docs/deployment.md says how to run it; for NVIDIA cards: Dockerfile.cuda.
#   docker build -t thai-asr .
#   docker run --rm -p 127.0.0.1:8765:8765 -p 127.0.0.1:8766:8766 -v thai-asr-cache:/cache \
#       -e THAI_ASR_TOKEN=... thai-asr
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/cache/huggingface \
    THAI_ASR_CACHE_DIR=/cache/thai-asr \
    THAI_ASR_HOST=0.0.0.0 \
    THAI_ASR_LOG_FILE=""

RUN useradd --system --uid 10001 --home-dir /cache --shell /usr/sbin/nologin thai-asr \
    && install -d -o thai-asr -g thai-asr /cache
WORKDIR /app

COPY requirements_realtime.txt ./
RUN pip install --no-cache-dir --only-binary :all: -r requirements_realtime.txt

COPY asr ./asr
COPY audio ./audio
COPY server ./server
COPY models.yaml realtime_thai_asr_server.py realtime_thai_asr_client.html ./

USER 10001
VOLUME /cache
EXPOSE 8765 8766
# ready once a model answers; the first start makes the built-in one (seconds)
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --start-interval=2s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('THAI_ASR_CONTROL_PORT', '8765') + '/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "realtime_thai_asr_server.py"]
