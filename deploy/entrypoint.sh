#!/bin/sh
# `web` serves; anything else is a command of manage.py, as in `docker compose run --rm web seed --count 2000`.
set -eu
if [ "${1:-web}" = web ]; then
    exec gunicorn --config deploy/gunicorn.conf.py speedscale.wsgi:application
fi
exec python manage.py "$@"
