"""Redis itself: where it is, the one door to it, and what it tells of itself."""
