"""Pictures drawn for products that have none: an icon of the product's type in colours of its brand.

All paint is translucent over nothing, so that one picture fits light and dark pages. The same address always gives
the same picture: :data:`catalog.representation.PICTURE_VERSION` changes with the design.
"""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache
from pathlib import Path

WIDTH, HEIGHT = 480, 360
FALLBACK_ICON = "package"
_ICON_FOLDER = Path(__file__).parent / "picture_icons"
_ICON_SCALE = 7.4
_MAX_SLUG = 200
_NEUTRAL_BRAND = "-"

# Checked in order: the first keyword that occurs among the words of a type decides. A keyword with a hyphen must
# occur as such; keywords match whole words and their plurals.
_ICONS_BY_KEYWORD: tuple[tuple[str, str], ...] = (
    # Top categories, which have pictures too.
    ("home-office", "lamp-desk"),
    ("electronics", "smartphone"),
    ("computers", "laptop"),
    ("accessories", "cable"),
    ("audio", "headphones"),
    ("gaming", "gamepad-2"),
    # Compounds before their parts.
    ("mouse-pad", "touchpad"),
    ("mouse-mat", "touchpad"),
    ("mousepad", "touchpad"),
    ("gaming-chair", "armchair"),
    ("monitor-arm", "monitor-speaker"),
    ("monitor-stand", "monitor-speaker"),
    ("laptop-stand", "laptop"),
    ("laptop-bag", "backpack"),
    ("notebook-case", "backpack"),
    ("notebook-bag", "backpack"),
    ("desk-lamp", "lamp-desk"),
    ("desk-mat", "touchpad"),
    ("ink-cartridge", "droplets"),
    ("toner", "printer"),
    ("power-bank", "battery-charging"),
    ("powerbank", "battery-charging"),
    ("power-supply", "plug"),
    ("power-adapter", "plug"),
    ("power-cable", "plug"),
    ("graphics-card", "gpu"),
    ("graphic-card", "gpu"),
    ("video-card", "gpu"),
    ("memory-card", "card-sim"),
    ("memory-module", "memory-stick"),
    ("card-reader", "card-sim"),
    ("flash-drive", "usb"),
    ("usb-stick", "usb"),
    ("usb-hub", "usb"),
    ("network-card", "ethernet-port"),
    ("network-switch", "ethernet-port"),
    ("access-point", "wifi"),
    ("security-camera", "cctv"),
    ("graphics-tablet", "pen-tool"),
    ("drawing-tablet", "pen-tool"),
    ("smart-plug", "plug"),
    ("smart-light", "lightbulb"),
    ("smart-bulb", "lightbulb"),
    ("media-player", "tv"),
    ("record-player", "disc-3"),
    ("disk-array", "server"),
    ("pc-case", "pc-case"),
    ("computer-case", "pc-case"),
    ("racing-wheel", "joystick"),
    ("fight-stick", "joystick"),
    ("capture-card", "video"),
    ("audio-interface", "volume-2"),
    ("sound-card", "volume-2"),
    ("filing-cabinet", "archive"),
    # Single words.
    ("mouse", "mouse"),
    ("mice", "mouse"),
    ("trackball", "mouse"),
    ("keyboard", "keyboard"),
    ("keypad", "keyboard"),
    ("laptop", "laptop"),
    ("notebook", "laptop"),
    ("ultrabook", "laptop"),
    ("chromebook", "laptop"),
    ("monitor", "monitor"),
    ("display", "monitor"),
    ("headset", "headset"),
    ("headphone", "headphones"),
    ("earphone", "headphones"),
    ("earbud", "headphones"),
    ("earpad", "headphones"),
    ("webcam", "webcam"),
    ("standing", "table"),
    ("desk", "table"),
    ("table", "table"),
    ("chair", "armchair"),
    ("sofa", "sofa"),
    ("footrest", "footprints"),
    ("router", "router"),
    ("modem", "router"),
    ("mesh", "wifi"),
    ("wifi", "wifi"),
    ("switch", "ethernet-port"),
    ("ethernet", "ethernet-port"),
    ("ssd", "hard-drive"),
    ("hdd", "hard-drive"),
    ("drive", "hard-drive"),
    ("nas", "server"),
    ("server", "server"),
    ("rack", "server"),
    ("storage", "database"),
    ("gpu", "gpu"),
    ("cpu", "cpu"),
    ("processor", "cpu"),
    ("motherboard", "circuit-board"),
    ("mainboard", "circuit-board"),
    ("ram", "memory-stick"),
    ("memory", "memory-stick"),
    ("console", "gamepad"),
    ("controller", "gamepad-2"),
    ("gamepad", "gamepad-2"),
    ("joystick", "joystick"),
    ("speaker", "speaker"),
    ("soundbar", "speaker"),
    ("subwoofer", "speaker"),
    ("amplifier", "volume-2"),
    ("receiver", "radio"),
    ("radio", "radio"),
    ("turntable", "disc-3"),
    ("microphone", "mic"),
    ("mic", "mic"),
    ("cable", "cable"),
    ("adapter", "unplug"),
    ("hub", "usb"),
    ("dock", "dock"),
    ("docking", "dock"),
    ("usb", "usb"),
    ("charger", "plug-zap"),
    ("charging", "plug-zap"),
    ("battery", "battery"),
    ("batteries", "battery"),
    ("ups", "battery-charging"),
    ("smartwatch", "watch"),
    ("watch", "watch"),
    ("tracker", "watch"),
    ("band", "watch"),
    ("tablet", "tablet"),
    ("reader", "book-open"),
    ("printer", "printer"),
    ("printing", "printer"),
    ("multifunctional", "printer"),
    ("plotter", "printer"),
    ("scanner", "scan-line"),
    ("cartridge", "droplets"),
    ("ink", "droplets"),
    ("paper", "file-text"),
    ("label", "barcode"),
    ("barcode", "barcode"),
    ("projector", "projector"),
    ("projection", "projector"),
    ("camera", "camera"),
    ("camcorder", "video"),
    ("lens", "camera"),
    ("drone", "drone"),
    ("television", "tv"),
    ("tv", "tv"),
    ("lamp", "lamp-desk"),
    ("light", "lightbulb"),
    ("lighting", "lightbulb"),
    ("bulb", "lightbulb"),
    ("phone", "smartphone"),
    ("smartphone", "smartphone"),
    ("telephone", "phone"),
    ("stylus", "pen-tool"),
    ("pen", "pen-tool"),
    ("backpack", "backpack"),
    ("bag", "backpack"),
    ("sleeve", "backpack"),
    ("case", "box"),
    ("cover", "shield"),
    ("protector", "shield"),
    ("fan", "fan"),
    ("cooler", "fan"),
    ("cooling", "fan"),
    ("desktop", "pc-case"),
    ("pc", "pc-case"),
    ("computer", "computer"),
    ("workstation", "pc-case"),
    ("stand", "monitor-smartphone"),
    ("mount", "monitor-smartphone"),
    ("arm", "monitor-speaker"),
    ("shelf", "archive"),
    ("cabinet", "archive"),
    ("organizer", "archive"),
    ("organiser", "archive"),
    ("glasses", "glasses"),
    ("vr", "glasses"),
    ("lock", "lock"),
    ("plug", "plug"),
    ("socket", "plug"),
    ("software", "disc-3"),
    ("game", "gamepad-2"),
    ("license", "disc-3"),
    ("warranty", "shield"),
    ("calculator", "calculator"),
    ("shredder", "scissors"),
    ("refrigerator", "refrigerator"),
    ("freezer", "refrigerator"),
    ("washing", "washing-machine"),
    ("dryer", "washing-machine"),
    ("coffee", "coffee"),
    ("heater", "heater"),
    ("ventilator", "air-vent"),
    ("purifier", "air-vent"),
    ("piano", "piano"),
    ("synthesizer", "keyboard-music"),
    ("guitar", "guitar"),
    ("tool", "wrench"),
    ("kit", "wrench"),
)


def icon_name(kind: str) -> str:
    """Return the icon for a product type given as a slug; a parcel for one that nothing is known of."""
    words = f"-{kind[:_MAX_SLUG].lower()}-"
    for keyword, icon in _ICONS_BY_KEYWORD:
        if f"-{keyword}-" in words or f"-{keyword}s-" in words:
            return icon
    return FALLBACK_ICON


@lru_cache(maxsize=2048)
def draw(kind: str, brand: str) -> str:
    """Return the SVG for a product type and a brand, both given as slugs.

    Neither text becomes part of the drawing: they only choose among icons, colours and patterns.
    """
    seed = hashlib.blake2b(brand[:_MAX_SLUG].encode(errors="replace"), digest_size=8).digest()
    hue = _hue(kind, brand, seed)
    ink = oklch_hex(0.56, 0.125, hue)
    glow = oklch_hex(0.72, 0.13, (hue + 28) % 360)
    offset_x, offset_y = WIDTH / 2 - 12 * _ICON_SCALE, HEIGHT / 2 - 12 * _ICON_SCALE - 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        "<defs>"
        f'<linearGradient id="b" x1="0" y1="0" x2="1" y2="1"><stop stop-color="{glow}" stop-opacity=".16"/>'
        f'<stop offset="1" stop-color="{ink}" stop-opacity=".26"/></linearGradient>'
        f'<radialGradient id="g"><stop stop-color="{glow}" stop-opacity=".5"/>'
        f'<stop offset="1" stop-color="{glow}" stop-opacity="0"/></radialGradient>'
        f'<radialGradient id="s"><stop stop-color="{ink}" stop-opacity=".42"/>'
        f'<stop offset="1" stop-color="{ink}" stop-opacity="0"/></radialGradient>'
        "</defs>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#b)"/>'
        f'<g stroke="{ink}" fill="none" opacity=".16">{_pattern(seed)}</g>'
        f'<circle cx="{WIDTH / 2:g}" cy="{HEIGHT / 2 - 8:g}" r="150" fill="url(#g)"/>'
        f'<ellipse cx="{WIDTH / 2:g}" cy="292" rx="112" ry="16" fill="url(#s)"/>'
        f'<g transform="translate({offset_x:g} {offset_y:g}) scale({_ICON_SCALE})" fill="none" stroke="{ink}" '
        f'stroke-width="1.15" stroke-linecap="round" stroke-linejoin="round">'
        f'<g fill="{ink}" fill-opacity=".2">{_icon_shapes(icon_name(kind))}</g></g>'
        "</svg>"
    )


def _hue(kind: str, brand: str, seed: bytes) -> float:
    if brand == _NEUTRAL_BRAND:
        return float(hashlib.blake2b(kind[:_MAX_SLUG].encode(errors="replace"), digest_size=2).digest()[0]) * 360 / 256
    return seed[0] * 360 / 256


@lru_cache(maxsize=128)
def _icon_shapes(name: str) -> str:
    """Return the shapes of an icon; open lines are kept from being filled."""
    text = (_ICON_FOLDER / f"{name}.svg").read_text()
    inner = re.sub(r"\s*\n\s*", "", text.partition('stroke-linejoin="round"\n>')[2].rpartition("</svg>")[0])
    return re.sub(r"<(path|line|polyline)\b[^>]*?/>", _without_fill_when_open, inner)


def _without_fill_when_open(match: re.Match[str]) -> str:
    shape = match.group()
    closed = re.search(r'\bd="[^"]*z\s*"', shape, re.IGNORECASE)
    return shape if closed else shape.replace("/>", 'fill="none"/>')


def _pattern(seed: bytes) -> str:
    """Return the lines behind the icon: one of five patterns, shifted, both chosen by the brand."""
    shift = seed[2] % 40
    match seed[1] % 5:
        case 0:
            cx, cy = (seed[3] % 2) * WIDTH, (seed[4] % 2) * HEIGHT
            return "".join(f'<circle cx="{cx}" cy="{cy}" r="{radius + shift}"/>' for radius in range(60, 560, 44))
        case 1:
            lines = range(-HEIGHT + shift, WIDTH, 40)
            return "".join(f'<path d="M{x} {HEIGHT}L{x + HEIGHT} 0"/>' for x in lines)
        case 2:
            rows = range(24, HEIGHT, 52)
            return "".join(f'<path d="M0 {y + shift / 2:g}q60 -34 120 0t120 0 120 0 120 0"/>' for y in rows)
        case 3:
            step = 40
            down = "".join(f"M{x + shift % step} 0V{HEIGHT}" for x in range(0, WIDTH, step))
            across = "".join(f"M0 {y + shift % step}H{WIDTH}" for y in range(0, HEIGHT, step))
            return f'<path d="{down}{across}"/>'
        case _:
            tilt = -30 + shift
            sizes = range(120, 560, 56)
            squares = "".join(
                f'<rect x="{(WIDTH - size) / 2:g}" y="{(HEIGHT - size) / 2:g}" width="{size}" height="{size}" rx="36"/>'
                for size in sizes
            )
            return f'<g transform="rotate({tilt} {WIDTH // 2} {HEIGHT // 2})">{squares}</g>'


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
