"""The API: each view validates, calls one service and wraps the answer."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cachelayer.web.clients import client_address, counted_client
from cachelayer.web.lane import Replay
from cachelayer.web.ratelimit import check
from catalog.api import schema
from catalog.api.editing import ProductEditView
from catalog.api.envelope import envelope, listing, single
from catalog.api.problems import RateLimited
from catalog.api.replays import replay_of_product, replay_of_search
from catalog.contexts.suggestions import suggestion_url
from catalog.search.request import parse_search_request
from catalog.services.products import read_product
from catalog.services.search import search_products
from catalog.services.suggestions import parse_beginning, suggest
from catalog.services.trending import record_search, trending_searches


class SearchView(APIView):
    """Search products by words and filters."""

    authentication_classes = ()

    @extend_schema(
        operation_id="search_products",
        parameters=schema.SEARCH_PARAMETERS,
        responses={200: schema.SearchEnvelopeSerializer, **schema.problems(400, 429, 503)},
    )
    def get(self, request: Request) -> Response:
        client = client_address(request._request)
        verdict = check(settings.RATE_LIMIT_SEARCH, scope="search", client=client)
        if verdict is not None and not verdict.allowed:
            raise RateLimited(verdict.headers())
        search = parse_search_request(request.query_params, query_field="query", query_required=True)
        answer = search_products(request=search)
        total = answer.value["total"]
        record_search(request=search, total=total, client=counted_client(request._request, client=client))
        response = Response(listing(answer), headers=verdict.headers() if verdict else None)
        return _replayable(request, response, replay_of_search(search, total=total))


class ProductView(ProductEditView):
    """One product."""

    @extend_schema(
        operation_id="get_product",
        parameters=[schema.PRODUCT_ID],
        responses={200: schema.ProductEnvelopeSerializer, **schema.problems(404, 503)},
    )
    def get(self, request: Request, product_id: str) -> Response:
        response = Response(single(read_product(product_id=product_id)))
        return _replayable(request, response, replay_of_product(product_id))


class SuggestView(APIView):
    """What to look for, while somebody types."""

    authentication_classes = ()

    @extend_schema(
        operation_id="suggest",
        parameters=[schema.BEGINNING],
        responses={200: schema.SuggestionsEnvelopeSerializer, **schema.problems(400, 429, 503)},
    )
    def get(self, request: Request) -> Response:
        verdict = check(settings.RATE_LIMIT_SUGGEST, scope="suggest", client=client_address(request._request))
        if verdict is not None and not verdict.allowed:
            raise RateLimited(verdict.headers())
        answer = suggest(beginning=parse_beginning(request.query_params.get("q", "")))
        found = [
            {"kind": each["kind"], "text": each["text"], "detail": each["detail"], "url": suggestion_url(each)}
            for each in answer.value["data"]
        ]
        body = envelope(source=answer.source, cached=answer.outcome.is_hit, count=len(found), data=found)
        return Response(body, headers=verdict.headers() if verdict else None)


class TrendingView(APIView):
    """What shoppers search for, lately."""

    authentication_classes = ()

    @extend_schema(operation_id="list_trending_searches", responses={200: schema.TrendingEnvelopeSerializer})
    def get(self, request: Request) -> Response:
        del request
        queries = trending_searches(limit=10)
        known = queries is not None
        body = envelope(source="REDIS_CACHE", cached=known, count=len(queries or []), data=queries or [])
        return Response(body, headers={"X-Cache": "HIT" if known else "BYPASS"})


def _replayable(request: Request, response: Response, replay: Replay) -> Response:
    if request.accepted_renderer.format == "json":
        response.replay = replay  # type: ignore[attr-defined]
    return response
