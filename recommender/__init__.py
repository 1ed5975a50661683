"""Similar products and who computes them; above the catalogue, which does not know of it."""
