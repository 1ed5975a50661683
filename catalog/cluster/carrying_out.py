"""A plan carried out step by step: each step looks first, so that a run that was interrupted goes on where it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pymongo.errors import PyMongoError

from catalog.cluster.initiating import (
    InitError,
    Outcome,
    administrator,
    create_account,
    initiate_set,
    web_account,
)
from catalog.cluster.nodes import Access, Client, reason_of
from catalog.cluster.plan import ClusterPlan, PlanError, SetPlan, parse_set
from catalog.cluster.sharding import add_shards, apply_zones, router, shard_collections
from catalog.indexes import PRODUCTS, ensure_collections, ensure_indexes


@dataclass(frozen=True, slots=True)
class Setting:
    """What a plan is carried out with.

    Attributes:
        accesses: rights to try, the strongest first.
        database: the catalogue's.
        root_password: of the administrator to create; empty creates none.
        web_password: of the web server's account to create; empty creates none.
        timeout_seconds: how long servers may take to answer and to elect.
    """

    accesses: Sequence[Access]
    database: str
    root_password: str = ""
    web_password: str = ""
    timeout_seconds: float = 120.0


def plan_of_uri(uri: str) -> ClusterPlan:
    """Return the plan that an address implies: a replica set, or the ``mongos`` it names.

    Raises:
        PlanError: the address names neither.
    """
    access_hosts = uri.partition("://")[2].rpartition("@")[2].partition("/")
    hosts, options = access_hosts[0], access_hosts[2].partition("?")[2]
    pairs = dict(pair.partition("=")[::2] for pair in options.split("&"))
    name = next((value for key, value in pairs.items() if key.lower() == "replicaset"), "")
    if uri.startswith("mongodb+srv:") or not hosts:
        raise PlanError("name the servers: --replica-set, or --config, --shard and --mongos")
    if name:
        return ClusterPlan(sets=(parse_set(f"{name}/{hosts}"),))
    return ClusterPlan(mongos=hosts.split(",")[0])


def carry_out(plan: ClusterPlan, setting: Setting) -> Iterator[Outcome]:
    """Yield each step's outcome as it is done.

    Raises:
        InitError: a step cannot be done; the steps before it stay, and the next run finds them done.
    """
    try:
        yield from _make_sets(plan, setting)
        if plan.mongos:
            yield from _make_cluster(plan, setting)
        for one in plan.sets:
            with setting.accesses[0].replica_set(one.name, one.hosts, timeout_ms=10_000) as client:
                yield from _make_collections(client, setting)
    except PyMongoError as error:
        raise InitError(reason_of(error)) from error


def _make_sets(plan: ClusterPlan, setting: Setting) -> Iterator[Outcome]:
    for one in plan.all_sets:
        yield initiate_set(
            setting.accesses, one, config_servers=one is plan.config, timeout_seconds=setting.timeout_seconds
        )
    # What is asked of a shard directly, such as its state, needs an account on that shard; the cluster's own accounts
    # live on the config servers.
    for one in plan.all_sets:
        yield from _make_accounts(one, setting)


def _make_accounts(where: SetPlan, setting: Setting) -> Iterator[Outcome]:
    if setting.root_password:
        yield create_account(setting.accesses[0], where, administrator(setting.root_password))
    if setting.web_password:
        yield create_account(setting.accesses[0], where, web_account(setting.web_password, setting.database))


def _make_cluster(plan: ClusterPlan, setting: Setting) -> Iterator[Outcome]:
    with router(setting.accesses[0], plan.mongos, timeout_seconds=setting.timeout_seconds) as client:
        yield from add_shards(client, plan.shards)
        yield from shard_collections(client, setting.database)
        yield from apply_zones(client, setting.database, plan.zones)


def _make_collections(client: Client, setting: Setting) -> Iterator[Outcome]:
    shop = client[setting.database]
    had = PRODUCTS in shop.list_collection_names()
    before = len(shop[PRODUCTS].index_information()) if had else 0
    ensure_collections(shop)
    yield Outcome(f"collection {setting.database}.{PRODUCTS}", changed=not had, detail="validator")
    ensure_indexes(shop)
    yield Outcome("indexes", changed=len(shop[PRODUCTS].index_information()) != before)
