"""Accounts are emptied after each test that makes some; what migrations have stored for them stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management.commands import flush
from django.core.management.sql import sql_flush

_STORED_BY_MIGRATIONS = frozenset({"django_content_type", "auth_permission"})


@pytest.fixture(scope="session", autouse=True)
def permissions_stay() -> Iterator[None]:
    """Leave content types and permissions alone: to store them anew takes longer than most tests, and none edits them.

    Where MongoDB has no transactions for Django, a test's accounts are removed by its command ``flush``.
    """

    def tables(*arguments: Any, **options: Any) -> list[str]:
        return [name for name in sql_flush(*arguments, **options) if name not in _STORED_BY_MIGRATIONS]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "sql_flush", tables)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_: None)
        yield
