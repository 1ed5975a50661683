"""Another process that keeps reading a product, its API answer and a search, and tells when each shows a change.

Every line that it writes is what was read, the stock that it showed, and when the last read began that showed it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep, time

import django


def main(product_id: str, query: str, last_stock: int, report: Path) -> None:
    """Read until everything shows ``last_stock``, or for a minute."""
    django.setup()
    from django.test import Client

    from catalog.search.request import SearchRequest
    from catalog.services.products import read_product
    from catalog.services.search import search_products

    client = Client(headers={"host": "localhost"})
    search = SearchRequest(query=query)

    def page() -> int:
        text = client.get(f"/products/{product_id}/").content.decode()
        return int(text.split(" on hand")[0].rsplit(">", 1)[1].replace(",", ""))

    reads: dict[str, Callable[[], int]] = {
        "product": lambda: int(read_product(product_id=product_id).value["stock"]),
        "api": lambda: int(client.get(f"/api/products/{product_id}").json()["data"]["stock"]),
        "page": page,
        "search": lambda: int(search_products(request=search).value["data"][0]["stock"]),
    }
    last_shown: dict[tuple[str, int], float] = {}
    deadline = time() + 60
    while time() < deadline and not all((name, last_stock) in last_shown for name in reads):
        for name, read in reads.items():
            began_at = time()
            last_shown[name, read()] = began_at
        report.with_suffix(".begun").touch()
        sleep(0.002)  # Refreshes behind the scenes need this process too.
    report.write_text("".join(f"{name} {stock} {at}\n" for (name, stock), at in last_shown.items()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
