"""Products: documents, indexes, search, pages and API. The only home of MongoDB's driver."""
