"""The words of the catalogue in MongoDB: how many products have them, how they are written, what else they mean."""
