# One image for web and worker; they differ by their command alone.
FROM python:3.12-slim AS build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin hepaq \
    && mkdir /data && chown hepaq /data
COPY --from=build /venv /venv
WORKDIR /app
COPY shared shared
COPY web web
COPY worker worker
COPY models models
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data HOST=0.0.0.0
USER hepaq
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "--config", "web/gunicorn.py", "web.wsgi:app"]
