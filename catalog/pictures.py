"""Pictures drawn for products that have none: an icon of the kind of product in colours of its brand.

The ground is translucent and the icon has a light edge of its own, so that one picture fits light and dark pages. The
same address always gives the same picture: raise :data:`catalog.representation.PICTURE_VERSION` with the design.
"""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache
from pathlib import Path

from catalog.picture_kinds import icon_name

WIDTH, HEIGHT = 480, 360
_ICON_FOLDER = Path(__file__).parent / "picture_icons"
_ICON_SCALE = 8
_ICON_SIZE = 24
_MAX_SLUG = 200
_NO_BRAND = "-"
_SOLID_ICONS = frozenset(
    {"air-vent", "archive", "blender", "bot", "calculator", "car", "cctv", "coffee", "cooking-pot", "droplets", "gpu"}
    | {"house", "lightbulb", "monitor-smartphone", "monitor-speaker", "phone", "presentation", "printer", "projector"}
    | {"spray-can", "video", "wrench"}
)
"""Icons whose open lines enclose a body, which is filled too."""


@lru_cache(maxsize=2048)
def draw(kind: str, brand: str) -> str:
    """Return the SVG for a kind of product and a brand, both given as slugs.

    Neither text becomes part of the drawing: they only choose among icons, colours and patterns.
    """
    seed = _digest(kind if brand == _NO_BRAND else brand)
    hue = seed[0] * 360 / 256
    ink, body, glow = oklch_hex(0.48, 0.13, hue), oklch_hex(0.67, 0.15, hue), oklch_hex(0.77, 0.13, (hue + 30) % 360)
    tilt = (-5, -3, 0, 3, 5)[seed[5] % 5]
    half = _ICON_SIZE / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        "<defs>"
        f'<linearGradient id="ground" x2="1" y2="1"><stop stop-color="{glow}" stop-opacity=".2"/>'
        f'<stop offset="1" stop-color="{body}" stop-opacity=".36"/></linearGradient>'
        f'<linearGradient id="body" y2="{_ICON_SIZE}" x2="0" gradientUnits="userSpaceOnUse">'
        f'<stop stop-color="{glow}" stop-opacity=".25"/>'
        f'<stop offset="1" stop-color="{body}" stop-opacity=".65"/></linearGradient>'
        f'<radialGradient id="shade"><stop stop-color="{ink}" stop-opacity=".45"/>'
        f'<stop offset="1" stop-color="{ink}" stop-opacity="0"/></radialGradient>'
        f'<g id="icon" stroke-linecap="round" stroke-linejoin="round">{_icon_shapes(icon_name(kind[:_MAX_SLUG]))}</g>'
        "</defs>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#ground)"/>'
        f'<g stroke="{body}" fill="none" opacity=".32">{_pattern(seed)}</g>'
        f'<ellipse cx="{WIDTH // 2}" cy="308" rx="124" ry="15" fill="url(#shade)"/>'
        f'<g transform="translate({WIDTH // 2} {HEIGHT // 2 - 8}) rotate({tilt}) scale({_ICON_SCALE}) '
        f'translate(-{half:g} -{half:g})">'
        f'<use href="#icon" y=".8" fill="{ink}" stroke="{ink}" stroke-width="3" opacity=".16"/>'
        '<use href="#icon" fill="#fff" stroke="#fff" stroke-width="2.8"/>'
        f'<use href="#icon" fill="url(#body)" stroke="{ink}" stroke-width=".85"/>'
        "</g></svg>"
    )


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text[:_MAX_SLUG].encode(errors="replace"), digest_size=8).digest()


@lru_cache(maxsize=256)
def _icon_shapes(name: str) -> str:
    """Return the shapes of an icon; open lines are kept from being filled, unless they enclose its body."""
    text = (_ICON_FOLDER / f"{name}.svg").read_text()
    inner = re.search(r"<svg[^>]*>(.*)</svg>", text, re.DOTALL)
    shapes = re.sub(r"\s*\n\s*", "", inner[1] if inner else "")
    return shapes if name in _SOLID_ICONS else re.sub(r"<(path|line|polyline)\b[^>]*?/>", _hollow_when_open, shapes)


def _hollow_when_open(match: re.Match[str]) -> str:
    shape = match.group()
    closed = re.search(r'\bd="[^"]*z\s*"', shape, re.IGNORECASE)
    return shape if closed else shape.replace("/>", ' fill="none"/>')


def _pattern(seed: bytes) -> str:
    """Return the lines behind the icon: one of five patterns, shifted, both chosen by the brand."""
    shift = seed[2] % 40
    match seed[1] % 5:
        case 0:
            cx, cy = (seed[3] % 2) * WIDTH, (seed[4] % 2) * HEIGHT
            return "".join(f'<circle cx="{cx}" cy="{cy}" r="{radius + shift}"/>' for radius in range(60, 600, 44))
        case 1:
            ends = range(-HEIGHT + shift, WIDTH, 40)
            return f'<path d="{"".join(f"M{x} {HEIGHT}l{HEIGHT} -{HEIGHT}" for x in ends)}"/>'
        case 2:
            rows = range(24, HEIGHT, 52)
            waves = "".join(f"M0 {y + shift / 2:g}q60 -34 120 0t120 0 120 0 120 0" for y in rows)
            return f'<path d="{waves}"/>'
        case 3:
            down = "".join(f"M{x + shift} 0v{HEIGHT}" for x in range(0, WIDTH, 40))
            across = "".join(f"M0 {y + shift}h{WIDTH}" for y in range(0, HEIGHT, 40))
            return f'<path d="{down}{across}"/>'
        case _:
            squares = "".join(
                f'<rect x="{(WIDTH - size) / 2:g}" y="{(HEIGHT - size) / 2:g}" width="{size}" height="{size}" rx="36"/>'
                for size in range(120, 600, 56)
            )
            return f'<g transform="rotate({shift - 30} {WIDTH // 2} {HEIGHT // 2})">{squares}</g>'


def oklch_hex(lightness: float, chroma: float, hue: float) -> str:
    """Return an OKLCH colour as sRGB ``#rrggbb``, clipped to the gamut (Ottosson, "A perceptual color space", 2020).

    Args:
        lightness: 0 to 1.
        chroma: 0 to about 0.3.
        hue: degrees.
    """
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _gamma(channel)):02x}" for channel in linear)


def _gamma(channel: float) -> float:
    clipped = min(max(channel, 0.0), 1.0)
    return 12.92 * clipped if clipped <= 0.0031308 else 1.055 * clipped ** (1 / 2.4) - 0.055
