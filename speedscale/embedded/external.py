"""Servers that somebody else runs, named by ``MONGO_URI`` and ``REDIS_URL``: look whether they answer before starting.

No message repeats an address as given: it may hold a password.
"""

from __future__ import annotations

import redis
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from cachelayer.server.addresses import RedisUrlError
from cachelayer.server.connections import AWAY, connect
from speedscale.embedded.process import ServerError

_TIMEOUT_SECONDS = 3.0


def require_mongodb(uri: str) -> None:
    """Raise :class:`ServerError`, one line, unless a MongoDB that takes writes answers at ``uri``."""
    try:
        client: MongoClient[dict[str, object]] = MongoClient(
            uri,
            serverSelectionTimeoutMS=int(_TIMEOUT_SECONDS * 1000),
            connectTimeoutMS=int(_TIMEOUT_SECONDS * 1000),
            socketTimeoutMS=int(_TIMEOUT_SECONDS * 1000),
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise ServerError(f"MONGO_URI cannot be used: {_first_line(error)}") from None
    with client:
        try:
            # A command goes to the primary, which a set of servers without a majority does not have.
            client.get_database("admin").command("ping")
            # Commands that need no rights succeed without signing in; this one does not.
            client.get_database("admin").command("listDatabases", nameOnly=True, authorizedDatabases=True)
        except ServerSelectionTimeoutError:
            raise ServerError(f"MONGO_URI: {_why_no_primary(client)}") from None
        except OperationFailure as error:
            raise ServerError(f"MONGO_URI: MongoDB refuses ({_first_line(error)})") from None
        except PyMongoError as error:
            raise ServerError(f"MONGO_URI: MongoDB does not work ({_first_line(error)})") from None


def require_redis(url: str) -> None:
    """Raise :class:`ServerError`, one line, unless a Redis answers at ``url``."""
    try:
        client = connect(url, timeout_seconds=_TIMEOUT_SECONDS)
        with client:
            client.ping()
    except RedisUrlError as error:
        raise ServerError(f"REDIS_URL cannot be used: {error}") from None
    except (redis.RedisError, *AWAY) as error:
        raise ServerError(f"REDIS_URL: Redis does not work ({_first_line(error)})") from None


def _why_no_primary(client: MongoClient[dict[str, object]]) -> str:
    servers = client.topology_description.server_descriptions()
    if not servers:
        # The driver forgets servers that belong to another set.
        return "the servers that answer do not belong to the replica set that it names"
    hosts = ", ".join(f"{host}:{port}" for host, port in servers)
    answered = any(server.server_type_name != "Unknown" for server in servers.values())
    return f"MongoDB at {hosts} " + ("has no primary at present" if answered else "does not answer")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(", full error:")[0].partition(", Timeout:")[0][:200]
