# One image for the web server, the worker, beat and the commands of manage.py. docker-compose.yml shows how.

FROM node:22-slim AS assets
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --silent

FROM python:3.12-slim AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY requirements/run.txt requirements/run.txt
RUN pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r requirements/run.txt
COPY . .
COPY --from=assets /app/node_modules node_modules
# The key is thrown away; collectstatic needs some key and signs nothing with it.
# The files go to /app/var/static. No volume is mounted on /app/var, so an upgrade of the image upgrades them.
RUN python -m babel.messages.frontend --quiet compile --domain django --directory locale \
 && SECRET_KEY=only-while-building python manage.py collectstatic --noinput --verbosity 0 \
 && python -m compileall -q . \
 && rm -rf node_modules

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home riskreg
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER riskreg
EXPOSE 8000
CMD ["gunicorn", "riskreg.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", \
     "--threads", "4", "--timeout", "60", "--graceful-timeout", "15", "--max-requests", "5000", \
     "--max-requests-jitter", "500", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
