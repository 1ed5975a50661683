from __future__ import annotations

from django.urls import path

from catalog.views import staff, staff_pins, staff_searches, staff_synonyms

app_name = "staff"
urlpatterns = [
    path("products/", staff.products, name="products"),
    path("products/new/", staff.new_product, name="new"),
    path("products/<str:product_id>/", staff.edit_product, name="edit"),
    path("products/<str:product_id>/status/", staff.change_status, name="status"),
    path("searches/", staff_searches.popular, name="searches"),
    path("searches/searches.csv", staff_searches.popular_csv, name="searches_csv"),
    path("searches/nothing/", staff_searches.missed, name="missed"),
    path("searches/nothing.csv", staff_searches.missed_csv, name="missed_csv"),
    path("searches/forget/", staff_searches.forget, name="forget"),
    path("synonyms/", staff_synonyms.synonyms, name="synonyms"),
    path("synonyms/new/", staff_synonyms.new_synonyms, name="new_synonyms"),
    path("synonyms/edit/", staff_synonyms.edit_synonyms, name="edit_synonyms"),
    path("pins/", staff_pins.pins, name="pins"),
    path("pins/edit/", staff_pins.pin, name="pin"),
]
