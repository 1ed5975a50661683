from __future__ import annotations

from django.urls import path

from recommender.api import SimilarView

app_name = "recommender"
urlpatterns = [
    path("api/products/<str:product_id>/similar", SimilarView.as_view(), name="similar"),
]
