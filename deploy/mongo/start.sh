#!/bin/sh
# Starts mongod as a replica set of one node with passwords. Members of a set that asks for passwords know each other by
# a key; it is made at the first start and stays in its volume.
set -eu
key_file="${KEY_FILE:-/data/configdb/keyfile}"
if [ ! -s "$key_file" ]; then
    umask 077
    head -c 756 /dev/urandom | base64 | tr -d '\n' >"$key_file.new"
    mv "$key_file.new" "$key_file"
fi
# mongod refuses a key that others may read.
chmod 400 "$key_file"
# The image's own script creates the accounts at the first start and gives up root's rights.
exec docker-entrypoint.sh mongod --replSet speedscale --keyFile "$key_file" --bind_ip_all "$@"
