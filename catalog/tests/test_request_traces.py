"""What the trace of a request tells of MongoDB."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cachelayer.telemetry import recorder
from catalog.commands import NotExplainable, command_of, text_of
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
