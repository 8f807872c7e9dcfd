#!/bin/sh
# Secrets come as files, libraries read them from the environment: NAME_FILE becomes NAME.
set -eu
for pair in PGPASSWORD=POSTGRES_PASSWORD_FILE AWS_ACCESS_KEY_ID=AWS_ACCESS_KEY_ID_FILE \
    AWS_SECRET_ACCESS_KEY=AWS_SECRET_ACCESS_KEY_FILE; do
    file=$(printenv "${pair#*=}" || true)
    if [ -n "$file" ]; then
        export "${pair%%=*}=$(cat "$file")"
    fi
done
exec "$@"
