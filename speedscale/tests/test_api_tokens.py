"""`manage.py api_token`: who gets a token, and what becomes of the old one."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

pytestmark = pytest.mark.django_db


def api_token(*arguments: str) -> str:
    output = StringIO()
    call_command("api_token", *arguments, stdout=output)
    return output.getvalue().strip()


def status_with(token: str) -> int:
    """Return the status of a wrong request with ``token``: 400 where it is accepted, else 401."""
    return (
        Client(headers={"authorization": f"Token {token}"}).post("/api/products", "{", "application/json").status_code
    )


def test_a_new_token_opens_the_api_and_ends_the_old_one() -> None:
    User.objects.create(username="editor", is_staff=True)
    first = api_token("create", "editor")
    assert status_with(first) == 400
    second = api_token("create", "editor")
    assert (status_with(first), status_with(second)) == (401, 400)


def test_a_revoked_token_opens_nothing() -> None:
    User.objects.create(username="editor", is_staff=True)
    token = api_token("create", "editor")
    assert "nothing" in api_token("revoke", "editor")
    assert status_with(token) == 401
    assert api_token("revoke", "editor") == "There was no token."


@pytest.mark.parametrize("fields", [{}, {"is_staff": True, "is_active": False}])
def test_only_staff_gets_a_token(fields: dict[str, bool]) -> None:
    User.objects.create(username="shopper", **fields)
    with pytest.raises(CommandError, match="not an active member of staff"):
        api_token("create", "shopper")


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(CommandError, match="no account named nobody"):
        api_token("create", "nobody")
