#!/bin/sh
# Starts a Sentinel. It writes what it learns into its configuration, so that is made once and kept in its directory.
set -eu
directory="${SENTINEL_DIR:-/data}"
port="${SENTINEL_PORT:-26379}"
file="$directory/sentinel.conf"
if [ ! -s "$file" ]; then
    umask 077
    cat >"$file.new" <<CONFIGURATION
port $port
dir $directory
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor speedscale ${REDIS_MASTER:-redis-1} ${REDIS_MASTER_PORT:-6379} 2
sentinel auth-pass speedscale "$REDIS_PASSWORD"
sentinel down-after-milliseconds speedscale 2000
sentinel failover-timeout speedscale 10000
requirepass "$REDIS_PASSWORD"
sentinel sentinel-pass "$REDIS_PASSWORD"
CONFIGURATION
    mv "$file.new" "$file"
fi
exec redis-server "$file" --sentinel "$@"
