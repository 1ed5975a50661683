"""Search: analysis of text, keys of the index, parsing of requests, plans. Knows neither HTTP nor storage."""
