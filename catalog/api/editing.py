"""What staff does through the API: create, change and deactivate products."""

from __future__ import annotations

from collections.abc import Sequence

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.permissions import SAFE_METHODS, AllowAny, BasePermission, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import repository
from catalog.api import schema
from catalog.api.bodies import REQUIRED, read_fields, read_version, with_minor_price
from catalog.api.envelope import envelope
from catalog.api.parsers import OrjsonParser
from catalog.documents import ProductDraft
from catalog.representation import staff_product_json
from catalog.services.editing import Edited, change_product, create_product, deactivate_product

_IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": '^"[1-9][0-9]{0,9}"$'},
    OpenApiParameter.HEADER,
    description='The `version` that was read, in quotes, such as `"3"`; may be given as `version` in the body instead',
)
_LOCATION = OpenApiParameter("Location", str, OpenApiParameter.HEADER, response=[201], description="Of the product")
_ETAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200, 201], description="The new `version` in quotes, for `If-Match`"
)
_WHO = (
    "For staff: with `Authorization: Token …` (`manage.py api_token create`), or with the session of somebody who is "
    "signed in, which then needs `X-CSRFToken`."
)
_LOCKING = (
    "Nothing is lost unseen: say which version was read, in `version` or `If-Match` (428 without). If somebody else "
    "has changed the product since, nothing is written, and the 409 carries both: `stored` and `sent`."
)


class StaffWrites(APIView):
    """Reading is free; whatever changes something needs a member of staff, by token or by session."""

    parser_classes = (OrjsonParser,)

    def get_authenticators(self) -> list[BaseAuthentication]:
        # Shoppers' answers must not depend on cookies.
        return [TokenAuthentication(), SessionAuthentication()] if self._writes() else []

    def get_permissions(self) -> Sequence[BasePermission]:
        return [IsAdminUser() if self._writes() else AllowAny()]

    def _writes(self) -> bool:
        # Methods that are not offered are 405 for everybody.
        method = getattr(self.request, "method", None) or ""  # Describing the API needs views without a request.
        return method not in SAFE_METHODS and hasattr(self, method.lower())


class ProductsView(StaffWrites):
    """All products."""

    @extend_schema(
        operation_id="create_product",
        description=f"Create a product. {_WHO}",
        request=schema.NewProductSerializer,
        parameters=[_LOCATION, _ETAG],
        responses={
            201: schema.StaffProductEnvelopeSerializer,
            **schema.problems(401, 403, 413, 415, 503),
            **schema.invalid_fields(),
        },
    )
    def post(self, request: Request) -> Response:
        values = with_minor_price(read_fields(request.data, required=REQUIRED))
        edited = create_product(draft=ProductDraft(**values))
        return _answer(edited, status=201, headers={"Location": f"/api/products/{edited.product.id}"})


class ProductEditView(StaffWrites):
    """One product, to be changed."""

    @extend_schema(
        operation_id="change_product",
        description=f"Change fields of a product; `active: true` brings back a deactivated one. {_LOCKING} {_WHO}",
        request=schema.ProductChangesSerializer,
        parameters=[schema.PRODUCT_ID, _IF_MATCH, _ETAG],
        responses={
            200: schema.StaffProductEnvelopeSerializer,
            **schema.problems(401, 403, 404, 413, 415, 428, 503),
            **schema.invalid_fields(),
            **schema.conflict(),
        },
    )
    def patch(self, request: Request, product_id: str) -> Response:
        fields = read_fields(request.data)
        version = read_version(request.data, request.headers.get("If-Match"))
        changes = with_minor_price(fields, stored=repository.get_stored_product(product_id))
        return _answer(change_product(product_id=product_id, expected_version=version, changes=changes))

    @extend_schema(
        operation_id="deactivate_product",
        description=f"Take a product out of the shop; its data stay, and PATCH can bring it back. {_LOCKING} {_WHO}",
        request=None,
        parameters=[schema.PRODUCT_ID, _IF_MATCH, _ETAG],
        responses={
            200: schema.StaffProductEnvelopeSerializer,
            **schema.problems(401, 403, 404, 413, 415, 428, 503),
            **schema.invalid_fields(),
            **schema.conflict(),
        },
    )
    def delete(self, request: Request, product_id: str) -> Response:
        version = read_version(request.data, request.headers.get("If-Match"))
        return _answer(deactivate_product(product_id=product_id, expected_version=version))


def _answer(edited: Edited, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = envelope(source="MONGODB", cached=False, count=1, data=staff_product_json(edited.product))
    return Response(
        body,
        status=status,
        headers={"ETag": f'"{edited.product.version}"', "Cache-Control": "no-store", **(headers or {})},
    )
