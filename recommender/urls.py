from __future__ import annotations

from django.urls import path

from recommender.api import SimilarView
from recommender.views import for_you, model_panel, similar_page

app_name = "recommender"
urlpatterns = [
    path("products/<str:product_id>/similar", similar_page, name="similar_page"),
    path("for-you", for_you, name="for_you"),
    path("dashboard/model", model_panel, name="model_panel"),
    path("api/products/<str:product_id>/similar", SimilarView.as_view(), name="similar"),
]
