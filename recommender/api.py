"""The API of recommendations."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api import schema
from catalog.api.envelope import envelope
from catalog.errors import InvalidParameter
from recommender.caching import LONG, SHORT
from recommender.services import similar_products

_LIMIT = OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": LONG, "default": SHORT})


class SimilarAnswerSerializer(schema.SimilarEnvelopeSerializer):
    """Similar products, and the model that found them."""

    model = serializers.CharField(allow_blank=True, help_text="Version of the model; empty where none was used")


class SimilarView(APIView):
    """Products like this one, best first, never the product itself and never out of stock."""

    authentication_classes = ()

    @extend_schema(
        operation_id="list_similar_products",
        parameters=[schema.PRODUCT_ID, _LIMIT],
        responses={200: SimilarAnswerSerializer, **schema.problems(400, 404, 503)},
    )
    def get(self, request: Request, product_id: str) -> Response:
        limit = _limit(request.query_params.get("limit", str(SHORT)))
        similar = similar_products(product_id=product_id, limit=limit)
        return Response(
            envelope(
                source=similar.source,
                cached=similar.outcome.is_hit,
                count=len(similar.rows),
                model=similar.model,
                data=similar.rows,
            )
        )


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= LONG):
        raise InvalidParameter("limit", f"Give a whole number from 1 to {LONG}.")
    return int(text)
