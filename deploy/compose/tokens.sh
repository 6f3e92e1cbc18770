#!/bin/sh
# Makes what compose.yaml mounts and what is in no repository, once: the file of tokens, Alertmanager's token, Grafana's
# password. They lie in a directory that only you may enter; in it everybody may read, as containers are other users.
set -eu
cd "$(dirname "$0")"
[ ! -e secrets ] || { echo "$PWD/secrets is there already: tokens are rotated by hypocenter token" >&2; exit 2; }
mkdir -p secrets/tokens
chmod 700 secrets
cd secrets/tokens
: "${HYPOCENTER:=docker run --rm --user $(id -u):$(id -g) --volume $PWD:/data hypocenter:0.1.0}"
$HYPOCENTER token tokens.toml alertmanager --scope ingest >../alertmanager
head -c 18 /dev/urandom | base64 >../grafana
echo "for you, this once:" "$($HYPOCENTER token tokens.toml operator --scope read --scope operate)"
chmod 644 tokens.toml ../alertmanager ../grafana
