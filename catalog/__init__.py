"""Products: documents, indexes, search, pages and API. The only home of pymongo queries."""
