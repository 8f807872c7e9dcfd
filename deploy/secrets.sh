#!/bin/sh
# Makes the secrets of compose.yaml, each once; what is there is left alone.
set -eu
cd "$(dirname "$0")"
# Containers read the files under other users: the folder, not the files, keeps people out.
mkdir -p secrets
chmod 700 secrets
fresh() {
    test -s "secrets/$1" || { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"secrets/$1"; }
    chmod 444 "secrets/$1"
}
for name in postgres_password s3_access_key s3_secret_key; do fresh "$name"; done
if ! test -s secrets/s3_config; then
    printf '{"identities": [{"name": "ml_assets", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": ["Read:lake", "Write:lake", "List:lake"]}]}\n' \
        "$(cat secrets/s3_access_key)" "$(cat secrets/s3_secret_key)" >secrets/s3_config
    chmod 444 secrets/s3_config
fi
echo "The secrets are in deploy/secrets. Next: docker compose --file deploy/compose.yaml up --detach"
