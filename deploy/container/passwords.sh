#!/bin/sh
# The roles of roles.sql get their passwords when the database is made.
set -eu
for role in owner app; do
  psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v role="dunning_$role" -v secret="$(cat "/run/secrets/$role")" <<'SQL'
alter role :"role" password :'secret';
SQL
done
