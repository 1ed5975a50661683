"""What is known of a trained model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MODEL = "model"
"""The name under which the model itself stands in a table of evaluations, beside the baselines."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """How a model came about and what it is worth; stored beside the artefact and in MongoDB.

    Attributes:
        version: sorts by time of training.
        libraries: versions of what computed it, by name.
        fingerprint: digest over ids and versions of the products; equal catalogues have equal ones.
        products: number of products it knows.
        window: first and last ``updated_at`` of the products, ISO 8601.
        parameters: all that the result depends on besides the products.
        metrics: see :mod:`recommender.evaluation`; by contender, then by metric.
        seconds: duration of each step of the training.
        checksums: SHA-256 by file of the artefact.
    """

    version: str
    created_at: datetime
    libraries: dict[str, str]
    fingerprint: str
    products: int
    window: tuple[str, str]
    parameters: dict[str, Any]
    metrics: dict[str, dict[str, float | None]]
    seconds: dict[str, float]
    checksums: dict[str, str] = field(default_factory=dict)


class ModelRefused(Exception):
    """A model cannot or must not go live; the message says why."""


class TrainingRunning(Exception):
    """Another training holds the lock; the message says since when."""


class UnknownModel(ModelRefused):
    """There is no model of this version."""
