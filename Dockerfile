# One image for every part of Retrain: Airflow's processes, MLflow's server, and the migrations.
FROM python:3.12-slim-bookworm AS build
COPY containers/requirements.lock /tmp/requirements.lock
# uv, pinned by the lock, installs the rest in a fifth of pip's time.
RUN python -m venv /opt/venv \
    && sed -n '/^uv==/,/[^\\]$/p' /tmp/requirements.lock > /tmp/uv.lock \
    && pip install --no-cache-dir --require-hashes --target /tmp/uv -r /tmp/uv.lock \
    && UV_DEFAULT_INDEX="${PIP_INDEX_URL:-$(pip config get global.index-url 2> /dev/null || echo https://pypi.org/simple)}" \
       /tmp/uv/bin/uv pip install --no-cache --compile-bytecode --require-hashes \
       --python /opt/venv/bin/python -r /tmp/requirements.lock

FROM python:3.12-slim-bookworm
RUN useradd --uid 50000 --gid 0 --create-home retrain \
    && install -d -o 50000 -g 0 -m 0770 /opt/airflow /opt/airflow/logs /var/lib/retrain
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/retrain/include:/opt/retrain \
    PYTHONUNBUFFERED=1 \
    RETRAIN_SPECS=/opt/retrain/include/specs \
    AIRFLOW_HOME=/opt/airflow
WORKDIR /opt/retrain
COPY pyproject.toml ./
COPY containers containers
COPY stack stack
COPY include include
COPY plugins plugins
COPY dags dags
# The command `retrain`, and Airflow's form for connections to MLflow.
# Metadata that is found twice would make Airflow load the plugin twice.
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation --quiet --editable . \
    && rm -rf *.egg-info include/*.egg-info plugins/*.egg-info build
USER 50000:0
CMD ["airflow", "version"]
