"""The API against its own OpenAPI description: generated requests, right and wrong, and what must hold for each."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from hypothesis import HealthCheck, settings
from rest_framework.authtoken.models import Token
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from catalog.documents import object_id_of
from catalog.tests.factories import draft, store
from speedscale.wsgi import application

# Left out: that whatever breaks the description is refused, because an empty value counts as absent, as a form sends it
# (catalog/tests/test_search_requests.py holds what is refused); and that whatever fits the description is accepted. A
# cursor or a query of control characters fits it and is refused all the same, with a 400 that names the field.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)


@pytest.fixture
def catalogue(products_db: Any, db: None) -> None:
    store(*(draft(f"SKU-{number}", name=f"Wireless Mouse {number}") for number in range(25)))


@pytest.fixture
def token(db: None) -> str:
    return str(Token.objects.create(user=User.objects.create(username="editor", is_staff=True)).key)


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_generated_requests_get_described_answers(catalogue: None, case: Any) -> None:
    response = case.call_and_validate(checks=CHECKS)
    assert response.status_code < 500


@schema.include(method=["POST", "PATCH", "DELETE"]).parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_generated_changes_by_staff_get_described_answers(catalogue: None, token: str, case: Any) -> None:
    response = case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Token {token}"})
    assert response.status_code < 500


@schema.include(method=["PATCH", "DELETE"]).parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_generated_changes_of_a_product_that_exists_get_described_answers(
    catalogue: None, token: str, case: Any
) -> None:
    case.path_parameters["product_id"] = str(object_id_of("SKU-7"))
    response = case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Token {token}"})
    assert response.status_code < 500
    assert response.status_code != 404
