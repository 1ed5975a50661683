"""The latency dashboard: recent requests, hit ratios and the health of the servers, drawn on the server."""
