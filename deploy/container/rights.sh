#!/bin/sh
# After a migration, roles.sql once more: it takes from the service what the migration has made and the service need not do.
set -eu
PGPASSWORD="$(cat /run/secrets/database)"
export PGHOST=database PGUSER=postgres PGDATABASE=dunning PGPASSWORD
# Engines that do not wait for migrate try again.
if [ "$(psql -Atc "select to_regclass('dunning.migration') is not null")" != t ]; then
  echo "the database is not migrated yet" >&2
  exit 1
fi
exec psql -q -v ON_ERROR_STOP=1 -f /roles.sql
