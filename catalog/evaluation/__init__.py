"""How good search is: judged queries, metrics, a baseline on the same products."""
