#!/bin/sh
# Runs once, when the database's volume is empty: a role and a database each for vigil, Prefect and MLflow.
set -eu
for name in vigil prefect mlflow; do
  psql --set ON_ERROR_STOP=1 --set name="$name" --set password="$(cat "/run/secrets/${name}_password")" --username postgres <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
psql --set ON_ERROR_STOP=1 --username postgres --dbname prefect --command "CREATE EXTENSION IF NOT EXISTS pg_trgm"
