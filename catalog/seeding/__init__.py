"""The seeded catalogue: products invented once, the same on every machine, written fast and in any number."""
