"""Which shards a command asks, by its conditions on the shard key, or by what a router explained."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from catalog.cluster.routing import Reach, route_of, shards_of_plan

ID = ObjectId()


@pytest.mark.parametrize(
    ("command", "reach"),
    [
        ({"find": "products", "filter": {"_id": ID, "active": True}}, Reach.ONE),
        ({"find": "products", "filter": {"_id": {"$eq": ID}}}, Reach.ONE),
        ({"find": "products", "filter": {"$and": [{"active": True}, {"_id": ID}]}}, Reach.ONE),
        ({"count": "products", "query": {"_id": ID}}, Reach.ONE),
        ({"aggregate": "products", "pipeline": [{"$match": {"_id": ID}}, {"$limit": 1}]}, Reach.ONE),
        ({"find": "products", "filter": {"_id": {"$in": [ID, ObjectId()]}}}, Reach.SOME),
        ({"find": "similar", "filter": {"_id": "v1:1"}}, Reach.ONE),
        ({"find": "products", "filter": {"terms": {"$all": ["mouse"]}}}, Reach.ALL),
        ({"find": "products", "filter": {"_id": {"$gt": ID}}}, Reach.ALL),
        ({"find": "products", "filter": {"$or": [{"_id": ID}, {"brand": "x"}]}}, Reach.ALL),
        ({"find": "products", "filter": {"_id": {"$ne": ID}}}, Reach.ALL),
        ({"aggregate": "products", "pipeline": [{"$limit": 1}, {"$match": {"_id": ID}}]}, Reach.ALL),
        ({"aggregate": "products", "pipeline": []}, Reach.ALL),
        ({"find": "products"}, Reach.ALL),
        ({"find": "categories", "filter": {"parent": "x"}}, Reach.HOME),
    ],
)
def test_a_filter_on_the_whole_shard_key_asks_one_shard_and_any_other_all(
    command: dict[str, Any], reach: Reach
) -> None:
    assert route_of(command).reach is reach


def test_a_routers_plan_names_the_shards() -> None:
    found = {
        "queryPlanner": {"winningPlan": {"stage": "SHARD_MERGE", "shards": [{"shardName": "b"}, {"shardName": "a"}]}}
    }
    assert shards_of_plan(found) == ("a", "b")
    assert shards_of_plan({"shards": {"b": {}, "a": {}}}) == ("a", "b")
    assert shards_of_plan({"queryPlanner": {"winningPlan": {"stage": "IXSCAN"}}}) == ()
