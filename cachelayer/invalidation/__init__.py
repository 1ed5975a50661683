"""How what has become old is forgotten everywhere."""
