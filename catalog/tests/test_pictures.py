"""Drawn pictures: which icon, which colours, and what an address may hold."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote
from xml.dom.minidom import parseString

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

import catalog
from catalog.picture_kinds import FALLBACK_ICON, icon_name, known_icons
from catalog.pictures import draw, oklch_hex
from catalog.representation import PICTURE_VERSION, drawn_picture_path

ICONS = Path(catalog.__file__).parent / "picture_icons"


def element_names(drawing: str) -> list[str]:
    """Return the names of a drawing's elements; fail where it is not well-formed."""
    return [element.tagName for element in parseString(drawing).getElementsByTagName("*")]  # noqa: S318  (our own)


@pytest.mark.parametrize(
    ("kind", "icon"),
    [
        ("wireless-mouse", "mouse"),
        ("mouse-pad", "touchpad"),
        ("gaming-chair", "office-chair"),
        ("gaming", "gamepad-2"),
        ("laptop-backpack", "backpack"),
        ("power-bank", "power-bank"),
        ("usb-c-charger", "plug-zap"),
        ("headphones", "headphones"),
        ("notebook", "laptop"),
        ("toner-cartridge", "droplets"),
        ("ink-cartridge", "droplets"),
        ("home-office", "lamp-desk"),
        ("graphics-cards", "gpu"),
        ("something-unheard-of", FALLBACK_ICON),
        ("", FALLBACK_ICON),
        ("-", FALLBACK_ICON),
    ],
)
def test_the_last_word_that_is_known_chooses_the_icon(kind: str, icon: str) -> None:
    assert icon_name(kind) == icon


def test_every_icon_that_is_named_is_there_and_every_one_there_is_named() -> None:
    assert {path.stem for path in ICONS.glob("*.svg")} == known_icons()


def test_every_icon_makes_a_well_formed_picture() -> None:
    for icon in sorted(known_icons()):
        assert element_names(draw(icon, "logitech"))[0] == "svg", icon


def test_the_same_brand_always_has_the_same_look_and_brands_differ() -> None:
    assert draw("mouse", "logitech") == draw("mouse", "logitech")
    looks = {draw("mouse", brand) for brand in ("logitech", "trust", "dell", "hp", "cherry", "lenovo")}
    assert len(looks) == 6


@given(kind=st.text(max_size=300), brand=st.text(max_size=300))
def test_text_of_the_address_never_enters_the_drawing(kind: str, brand: str) -> None:
    assert set(element_names(draw(kind, brand))) <= {
        "svg", "defs", "linearGradient", "radialGradient", "stop", "g", "use",
        "path", "rect", "circle", "ellipse", "line", "polyline", "polygon",
    }  # fmt: skip


@given(hue=st.floats(0, 360))
def test_outlines_stand_out_from_the_light_edge_of_the_icon(hue: float) -> None:
    ink = oklch_hex(0.48, 0.13, hue)
    channels = [int(ink[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5, "AA contrast with white"


def test_oklch_matches_known_colours() -> None:
    assert oklch_hex(1, 0, 0) == "#ffffff"
    assert oklch_hex(0, 0, 0) == "#000000"
    assert oklch_hex(0.62796, 0.25768, 29.2339) == "#ff0000"


def test_a_picture_may_be_kept_for_ever_and_leaves_no_cookie(client: Client) -> None:
    response = client.get(drawn_picture_path(kind="Wireless Mouse", brand="Logitech"))
    assert response.status_code == 200
    assert response["Content-Type"].startswith("image/svg+xml")
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


def test_the_address_changes_with_the_design() -> None:
    assert drawn_picture_path(kind="Mouse", brand="HP").endswith(f"?v={PICTURE_VERSION}")


@pytest.mark.parametrize("name", ["../../etc/passwd", "<script>", "%00", "a" * 5000, "عربي", "..%2f..", "\ud800"])
def test_hostile_addresses_give_a_picture_or_nothing(client: Client, name: str) -> None:
    encoded = quote(name.encode(errors="surrogatepass"), safe="")
    response = client.get(f"/pictures/{encoded}/{encoded}.svg")
    assert response.status_code in {200, 404}
    assert b"<script>" not in response.content


def test_pictures_do_not_crowd_out_pages_from_the_telemetry(client: Client) -> None:
    from cachelayer.telemetry import recorder

    client.get("/livez")
    before = len(recorder.recent_of_this_process(500))
    client.get("/pictures/mouse/hp.svg")
    assert len(recorder.recent_of_this_process(500)) == before
