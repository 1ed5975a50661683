from __future__ import annotations

from django.urls import path

from catalog.views import staff

app_name = "staff"
urlpatterns = [
    path("products/", staff.products, name="products"),
    path("products/new/", staff.new_product, name="new"),
    path("products/<str:product_id>/", staff.edit_product, name="edit"),
    path("products/<str:product_id>/status/", staff.change_status, name="status"),
]
