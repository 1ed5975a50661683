from __future__ import annotations

from django.urls import path

from recommender.api import SimilarView
from recommender.views import similar_page

app_name = "recommender"
urlpatterns = [
    path("products/<str:product_id>/similar", similar_page, name="similar_page"),
    path("api/products/<str:product_id>/similar", SimilarView.as_view(), name="similar"),
]
