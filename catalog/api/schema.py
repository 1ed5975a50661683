"""The API's shapes for OpenAPI. They document; the answers themselves are built without them, for speed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from catalog.api.problems import PROBLEM_JSON
from catalog.documents import MAX_CATEGORY_DEPTH, MAX_STOCK, MAX_TEXT
from catalog.search.attributes import MAX_VALUE
from catalog.search.index_keys import MAX_POPULARITY
from catalog.search.request import MAX_FILTER_LENGTH, MAX_QUERY_LENGTH, Sort

SOURCES = ["L1_CACHE", "REDIS_CACHE", "STALE_CACHE", "MONGODB", "ML_ENGINE", "CATEGORY_FALLBACK"]


class ProductSerializer(serializers.Serializer[Any]):
    """A product. ``price`` is in major units of ``currency``."""

    _id = serializers.RegexField(r"^[0-9a-f]{24}$")
    sku = serializers.CharField()
    name = serializers.CharField()
    brand = serializers.CharField(allow_blank=True)
    category = serializers.CharField()
    categoryPath = serializers.ListField(child=serializers.CharField())
    productType = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    price = serializers.FloatField(min_value=0)
    currency = serializers.CharField()
    inStock = serializers.BooleanField()
    stock = serializers.IntegerField(min_value=0)
    rating = serializers.FloatField(min_value=0, max_value=5)
    ratingCount = serializers.IntegerField(min_value=0)
    attributes = serializers.DictField(child=serializers.JSONField())
    imageUrl = serializers.CharField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()
    version = serializers.IntegerField(min_value=1)


class StaffProductSerializer(ProductSerializer):
    """A product as staff sees it."""

    active = serializers.BooleanField(help_text="Whether shoppers can find and see it")
    popularity = serializers.IntegerField(min_value=0, help_text="Static rank; higher comes first")


class NewProductSerializer(serializers.Serializer[Any]):
    """A product to create. Other fields are refused by name."""

    sku = serializers.CharField(max_length=MAX_TEXT["sku"], help_text="The shop's own identifier; never changes")
    name = serializers.CharField(max_length=MAX_TEXT["name"])
    price = serializers.FloatField(
        min_value=0, help_text="In major units of `currency`, with no more decimals than it has"
    )
    currency = serializers.RegexField(r"^[A-Z]{3}$")
    categoryPath = serializers.ListField(
        child=serializers.CharField(max_length=100),
        min_length=1,
        max_length=MAX_CATEGORY_DEPTH,
        help_text="Names from the top category down",
    )
    stock = serializers.IntegerField(min_value=0, max_value=MAX_STOCK)
    brand = serializers.CharField(max_length=MAX_TEXT["brand"], allow_blank=True, required=False)
    productType = serializers.CharField(max_length=MAX_TEXT["product_type"], allow_blank=True, required=False)
    description = serializers.CharField(max_length=MAX_TEXT["description"], allow_blank=True, required=False)
    rating = serializers.FloatField(min_value=0, max_value=5, required=False)
    ratingCount = serializers.IntegerField(min_value=0, max_value=MAX_STOCK, required=False)
    popularity = serializers.IntegerField(min_value=0, max_value=MAX_POPULARITY, required=False)
    attributes = serializers.DictField(
        child=serializers.JSONField(), required=False, help_text="Text, numbers or true/false by name"
    )
    imageUrl = serializers.CharField(max_length=MAX_TEXT["image_url"], allow_blank=True, required=False)
    active = serializers.BooleanField(
        required=False, help_text="Whether shoppers can find and see it; true if left out"
    )


class ProductChangesSerializer(NewProductSerializer):
    """What to change of a product, and the version that was read."""

    version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="The version that was read; or give If-Match"
    )


class SimilarProductSerializer(ProductSerializer):
    """A product that resembles another, with the evidence."""

    score = serializers.FloatField(allow_null=True)
    reason = serializers.CharField()


class EnvelopeSerializer(serializers.Serializer[Any]):
    """Where an answer came from and how long it took."""

    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment]
    time = serializers.CharField(help_text="For people, such as 3.2ms")
    time_ms = serializers.FloatField()
    cached = serializers.BooleanField()
    count = serializers.IntegerField(min_value=0)


class ProductEnvelopeSerializer(EnvelopeSerializer):
    data = ProductSerializer()  # type: ignore[assignment]


class StaffProductEnvelopeSerializer(EnvelopeSerializer):
    data = StaffProductSerializer()  # type: ignore[assignment]


class FacetValueSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()


class AttributeFacetSerializer(serializers.Serializer[Any]):
    """Values of one attribute that matters for what most results are."""

    name = serializers.CharField(help_text="Filter by it with `attr.<name>=<key>`")
    values = FacetValueSerializer(many=True)


class FacetsSerializer(serializers.Serializer[Any]):
    brand = FacetValueSerializer(many=True)
    category = FacetValueSerializer(many=True)
    price = FacetValueSerializer(many=True, help_text="Bands; `50-100` is from 50 to below 100 in major units")
    rating = FacetValueSerializer(many=True, help_text="At least so many stars")
    in_stock = serializers.IntegerField(min_value=0)
    attributes = AttributeFacetSerializer(many=True)
    exact = serializers.BooleanField(help_text="Whether all results were counted, or only the first of them")


class WhyWordSerializer(serializers.Serializer[Any]):
    """What one word of the query adds to the score."""

    word = serializers.CharField()
    found = serializers.CharField(allow_blank=True, help_text="The term that the product was found by")
    field = serializers.CharField(allow_null=True, help_text="The weightiest field in which the product has it")
    by = serializers.ChoiceField(choices=["typed", "corrected", "completed", "synonym"])
    points = serializers.FloatField()


class WhySerializer(serializers.Serializer[Any]):
    """Why a product is where it is; `parts` add up to `score`."""

    score = serializers.FloatField()
    words = WhyWordSerializer(many=True)
    parts = serializers.DictField(child=serializers.FloatField())
    pinned = serializers.BooleanField(help_text="Whether the shop has put it there, whatever its score")


class FoundProductSerializer(ProductSerializer):
    """A result."""

    why = WhySerializer(required=False, help_text="With `explain`, where results are sorted by relevance")


class SearchEnvelopeSerializer(EnvelopeSerializer):
    total = serializers.IntegerField(min_value=0)
    total_relation = serializers.ChoiceField(choices=["eq", "gte"])
    next = serializers.CharField(allow_null=True, help_text="Value of `after` for the next page")
    corrected_query = serializers.CharField(
        allow_null=True, help_text="What was searched for instead of a misspelt query"
    )
    dropped_words = serializers.ListField(
        child=serializers.CharField(),
        help_text="Left out, because no product has them together with the others or there are too many",
    )
    matching_all = serializers.IntegerField(
        min_value=0, help_text="So many of `data`, from its beginning, have all words; the others have some of them"
    )
    complete = serializers.BooleanField(
        help_text="Whether all results can be shown: false when time ran out, more has changed than can be looked at, "
        "or no index has them in this order"
    )
    facets = FacetsSerializer(allow_null=True)
    data = FoundProductSerializer(many=True)  # type: ignore[assignment]


class SimilarEnvelopeSerializer(EnvelopeSerializer):
    data = SimilarProductSerializer(many=True)  # type: ignore[assignment]


class TrendingEnvelopeSerializer(EnvelopeSerializer):
    data = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]


class SuggestionSerializer(serializers.Serializer[Any]):
    """Something to look for."""

    kind = serializers.ChoiceField(choices=["query", "category", "brand", "product"])
    text = serializers.CharField()
    detail = serializers.CharField(
        allow_blank=True, help_text="The categories above a category, or the brand of a product"
    )
    url = serializers.CharField(help_text="The page that it leads to")


class SuggestionsEnvelopeSerializer(EnvelopeSerializer):
    data = SuggestionSerializer(many=True)  # type: ignore[assignment]


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong, as RFC 9457 has it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    field = serializers.CharField(required=False)


class InvalidFieldsSerializer(ProblemSerializer):
    """What is wrong with a body, by field."""

    errors = serializers.DictField(child=serializers.CharField(), required=False)  # type: ignore[assignment]


class ConflictSerializer(ProblemSerializer):
    """Both versions of a product that somebody else has changed meanwhile."""

    stored = StaffProductSerializer()
    sent = serializers.DictField(
        child=serializers.JSONField(), help_text="The fields sent, and the `version` they were for"
    )


_PROBLEMS = {
    400: "A parameter cannot be used; `field` names it",
    401: "Nobody is signed in, and no valid token was sent",
    403: "Not a member of staff, or a session without its CSRF token",
    413: "The body is too large",
    415: "The body is not application/json",
    428: "Neither `version` nor `If-Match` says which version was read",
    404: "There is no such product",
    429: "Too many requests; see Retry-After",
    503: "MongoDB does not answer and the answer is not cached; see Retry-After",
}


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Describe the error answers of an operation."""
    return {
        (status, PROBLEM_JSON): OpenApiResponse(ProblemSerializer, description=_PROBLEMS[status]) for status in statuses
    }


def invalid_fields() -> dict[tuple[int, str], OpenApiResponse]:
    """Describe the answer to a body that cannot be used."""
    return {
        (400, PROBLEM_JSON): OpenApiResponse(
            InvalidFieldsSerializer, description="`errors` says what is wrong, by field"
        )
    }


def conflict() -> dict[tuple[int, str], OpenApiResponse]:
    """Describe the answer to a change that was overtaken."""
    return {(409, PROBLEM_JSON): OpenApiResponse(ConflictSerializer, description="Somebody else was faster")}


PRODUCT_ID = OpenApiParameter(
    "product_id",
    {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    OpenApiParameter.PATH,
    description="`_id` of a product",
)
BEGINNING = OpenApiParameter(
    "q",
    {"type": "string", "minLength": 1, "maxLength": MAX_QUERY_LENGTH},
    required=True,
    description="What was typed so far",
)
SEARCH_PARAMETERS = [
    OpenApiParameter(
        "query", {"type": "string", "minLength": 1, "maxLength": MAX_QUERY_LENGTH}, required=True, description="Words"
    ),
    OpenApiParameter(
        "category",
        {"type": "string", "maxLength": MAX_FILTER_LENGTH},
        description="Name or path, such as `audio` or `accessories/mice`",
    ),
    OpenApiParameter(
        "brand", {"type": "string", "maxLength": MAX_FILTER_LENGTH}, description="One or several, joined by commas"
    ),
    OpenApiParameter("min_price", OpenApiTypes.NUMBER, description="In major units"),
    OpenApiParameter("max_price", OpenApiTypes.NUMBER, description="In major units"),
    OpenApiParameter("in_stock", OpenApiTypes.BOOL),
    OpenApiParameter("min_rating", {"type": "integer", "minimum": 1, "maximum": 5}),
    OpenApiParameter(
        "attr",
        {"type": "object", "additionalProperties": {"type": "string", "maxLength": MAX_VALUE}},
        description="`attr.<name>=<value>` narrows to products whose attribute has the value; the same name several "
        "times widens it to any of the values. Names and values as `facets.attributes` tells them",
    ),
    OpenApiParameter("sort", {"type": "string", "enum": [sort.value for sort in Sort], "default": "relevance"}),
    OpenApiParameter("after", {"type": "string"}, description="`next` of the page before"),
    OpenApiParameter("as_typed", OpenApiTypes.BOOL, description="Correct no spelling"),
    OpenApiParameter("explain", OpenApiTypes.BOOL, description="Say for each result why it is where it is"),
]
