"""Spare every start the search for a C library that this project does not use.

django-mongodb-backend tries GeoDjango at three places and does without it where its library, GDAL, is missing.
Looking for GDAL means asking the linker and a compiler for twelve names, three times over: about 0.35 s of each
command and each web worker on a machine that has a compiler.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

from django.core.exceptions import ImproperlyConfigured

_MODULE = "django.contrib.gis.gdal.libgdal"


class _WithoutGdal(MetaPathFinder):
    """Says at once, in GeoDjango's own way, that GDAL is missing."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        del path, target
        if fullname == _MODULE:
            raise ImproperlyConfigured("GeoDjango is not used here (speedscale/geodjango.py).")


def do_without_geodjango() -> None:
    """Make imports of GeoDjango fail quickly; harmless when called again."""
    if not any(isinstance(finder, _WithoutGdal) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WithoutGdal())
