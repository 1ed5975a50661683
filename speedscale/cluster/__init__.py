"""All servers as one system: their state and verdict, how it is made, how it is drilled."""
