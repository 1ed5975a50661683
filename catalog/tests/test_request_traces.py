"""What the trace of a request tells of MongoDB."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import call_command
from django.test import Client

from cachelayer.telemetry import recent_samples, recorder
from catalog.commands import NotExplainable, command_of, text_of
from catalog.explaining import explain, route
from catalog.services.numbered import GROUP
from catalog.tests.factories import draft, store


def test_mongodb_commands_tell_collection_and_documents(client: Client, products_db: Any) -> None:
    store(draft("M-1", name="Telling Mouse"))
    client.get("/api/search?query=telling")
    steps = recorder.recent_of_this_process(1)[0].steps
    finds = [step for step in steps if step.detail == "find products"]
    assert finds
    assert finds[0].documents == 1
    assert '"find"' in finds[0].command


def test_a_command_keeps_the_types_of_its_values_as_text(client: Client, products_db: Any) -> None:
    [identifier] = store(draft("M-2", name="Typed Mouse"))
    client.get(f"/api/products/{identifier}")
    [text] = [step.command for step in recorder.recent_of_this_process(1)[0].steps if step.command]
    command = command_of(text)
    assert str(command["filter"]["_id"]) == str(identifier)
    assert type(command["filter"]["_id"]).__name__ == "ObjectId"
    assert "lsid" not in command


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"drop": "products"}',
        '{"delete": "products", "find": "x"}',
        '{"aggregate": "products", "pipeline": [{"$out": "stolen"}]}',
        '{"aggregate": "products", "pipeline": [{"$match": {}}, {"$merge": "x"}]}',
        '{"find": {"$oid": "no"}}',
    ],
)
def test_what_is_no_reading_command_is_not_explained(text: str) -> None:
    with pytest.raises(NotExplainable):
        command_of(text)


def test_text_and_command_are_inverse() -> None:
    command = {"find": "products", "filter": {"a": {"$gt": 1}}, "limit": 21}
    assert command_of(text_of({**command, "$db": "x", "lsid": 1})) == command


def test_of_a_long_list_the_first_values_are_kept_and_how_many_are_missing() -> None:
    ids = [ObjectId() for _ in range(200)]
    text = text_of({"find": "products", "filter": {"$and": [{"_id": {"$in": ids}}, {"words": {"$in": ["a", "b"]}}]}})
    assert len(text) < 400
    command = command_of(text)
    assert command["filter"] == {"$and": [{"_id": {"$in": ids[:5]}}, {"words": {"$in": ["a", "b"]}}]}
    assert command["comment"] == {"left_out": {"_id": 195}}
    assert "200 values of _id" in route(text)


def test_a_search_among_many_candidates_can_be_explained_and_tells_its_routing(
    client: Client, products_db: Any
) -> None:
    store(*(draft(f"M-{number}", name=f"Numerous Mouse {number}") for number in range(250)))
    call_command("reindex_search")
    client.get("/api/search?query=numerous+mouse")
    recorder.flush()
    [sample] = recent_samples(1)[0]
    reads = [step for step in sample.steps if step.detail == "find products"]
    [candidates] = [step for step in reads if step.documents >= GROUP]
    assert "the shards that hold these ids" in route(candidates.command)
    plan = explain(candidates.command)
    assert plan.index
    assert f"without {candidates.documents - 5} values of _id" in plan.note
    page = unescape(client.get(f"/dashboard/requests/{sample.id}/").content.decode())
    assert page.count("In a cluster it asks") == len([step for step in sample.steps if step.name == "mongodb"])
