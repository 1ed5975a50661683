#!/bin/sh
# Starts one server of the sharded cluster, or its router, with the key that all of them share: made by the service
# "key" at the first start. The sets are made afterwards, by `manage.py cluster_init`.
set -eu
key_file="${KEY_FILE:-/data/key/keyfile}"
if [ "$1" = make-key ]; then
    if [ ! -s "$key_file" ]; then
        umask 077
        head -c 756 /dev/urandom | base64 | tr -d '\n' >"$key_file.new"
        mv "$key_file.new" "$key_file"
    fi
    # The servers, and cluster_init, run as this user. They refuse a key that others may read.
    chown "${KEY_OWNER:-999:999}" "$key_file"
    chmod 400 "$key_file"
    exit 0
fi
program="$1"
shift
if [ "$program" = mongod ]; then
    # A member follows another primary soon after its own fell silent, instead of waiting for that one's answer.
    set -- --setParameter oplogFetcherSteadyStateMaxFetcherRestarts=0 \
        --setParameter oplogNetworkTimeoutBufferSeconds=2 "$@"
fi
exec docker-entrypoint.sh "$program" --keyFile "$key_file" --bind_ip_all "$@"
