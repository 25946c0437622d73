#!/bin/sh
# Database URLs here carry no password: libpq and asyncpg take it from PGPASSWORD, which is read from a secret's file.
set -eu
if [ -n "${PGPASSWORD_FILE:-}" ]; then
  PGPASSWORD=$(cat "$PGPASSWORD_FILE")
  export PGPASSWORD
fi
exec "$@"
