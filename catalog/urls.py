from __future__ import annotations

from django.urls import path

from catalog.views.home import home
from catalog.views.pictures import picture
from catalog.views.products import product
from catalog.views.search import search
from catalog.views.suggestions import suggestions

app_name = "catalog"
urlpatterns = [
    path("", home, name="home"),
    path("search", search, name="search"),
    path("suggest", suggestions, name="suggestions"),
    path("products/<str:product_id>/", product, name="product"),
    path("pictures/<str:kind>/<str:brand>.svg", picture, name="picture"),
]
