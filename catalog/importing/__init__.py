"""Import of a user's own product file: read lines, build drafts, load them into the catalogue.

Reading (:mod:`lines`, :mod:`jsonl`, :mod:`csvrows`) knows no product, building (:mod:`drafts`) knows neither file nor
database, loading (:mod:`loading`) knows only drafts. :mod:`run` joins the three.
"""
