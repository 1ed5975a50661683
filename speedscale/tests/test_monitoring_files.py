"""Alert rules and the board: valid, about metrics that exist, and each alert for a fault that is described."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from cachelayer.telemetry import recorder

DEPLOY = Path(settings.BASE_DIR) / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
BOARD = json.loads((DEPLOY / "grafana" / "speedscale.json").read_text())
_METRIC = re.compile(r"\bspeedscale_[a-z0-9_]+")
_RECORDED = re.compile(r"\bspeedscale:[a-z0-9_:]+")
OF_OTHERS = {"speedscale_model_age_seconds"}
"""Where there is no model, nothing tells its age."""


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    return [rule["expr"] for rule in rules()] + [
        target["expr"] for panel in BOARD["panels"] for target in panel["targets"]
    ]


def test_every_metric_that_is_asked_for_is_exported(client: Client, products_db: Any) -> None:
    client.get("/api/search?query=monitored")
    recorder.flush()
    families = text_string_to_metric_families(client.get("/metrics").content.decode())
    exported = {name for family in families for name in (family.name, f"{family.name}_total", f"{family.name}_bucket")}
    asked = {name for expression in expressions() for name in _METRIC.findall(expression)}
    assert asked - exported <= OF_OTHERS
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert {name for expression in expressions() for name in _RECORDED.findall(expression)} <= recorded


def test_every_alert_says_what_it_means_and_for_which_fault() -> None:
    faults = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text()
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) >= 10
    for alert in alerts:
        assert alert["labels"]["severity"] in {"info", "warning", "critical"}
        assert f"`{alert['labels']['fault']}`" in faults
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["description"].endswith(".")
        assert "for" in alert


def test_panels_do_not_overlap_and_have_units() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    for command in (("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")):
        done = subprocess.run(
            [promtool, *command], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
