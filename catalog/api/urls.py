from __future__ import annotations

from django.urls import path

from catalog.api.editing import ProductsView
from catalog.api.views import ProductView, SearchView, SuggestView, TrendingView

app_name = "api"
urlpatterns = [
    path("search", SearchView.as_view(), name="search"),
    path("products", ProductsView.as_view(), name="products"),
    path("products/<str:product_id>", ProductView.as_view(), name="product"),
    path("suggest", SuggestView.as_view(), name="suggest"),
    path("trending", TrendingView.as_view(), name="trending"),
]
