"""Which icon stands for which kind of product."""

from __future__ import annotations

from functools import lru_cache

FALLBACK_ICON = "package"
_LONGEST_WORDS = 3
_MAX_WORDS = 12

_CATEGORY_ICONS = {
    "electronics": "smartphone",
    "computers": "laptop",
    "accessories": "cable",
    "home-office": "lamp-desk",
    "audio": "headphones",
    "gaming": "gamepad-2",
}
"""Whole names only: a gaming chair is a chair."""

_KEYWORDS_BY_ICON: dict[str, str] = {
    # Input
    "mouse": "mouse mice trackball pointing-device",
    "keyboard": "keyboard keypad numpad",
    "keyboard-music": "midi-keyboard synthesizer",
    "touchpad": "mouse-pad mouse-mat mousepad desk-mat desk-pad touchpad wrist-rest",
    "pen-tool": "stylus pen graphics-tablet drawing-tablet pen-tablet",
    "scan-line": "scanner",
    # Computers
    "laptop": "laptop notebook ultrabook chromebook netbook",
    "pc-case": "desktop pc tower workstation barebone chassis pc-case computer-case",
    "computer": "computer all-in-one",
    "monitor": "monitor display screen",
    "server": "server rack nas disk-array raid",
    "hard-drive": "ssd hdd drive disk hard-disk",
    "usb": "flash-drive usb-stick usb-drive usb-hub hub usb",
    "card-sim": "memory-card card-reader sd-card",
    "memory-stick": "ram memory memory-module dimm",
    "cpu": "cpu processor",
    "gpu": "gpu graphics-card graphic-card video-card",
    "circuit-board": "motherboard mainboard board component",
    "fan": "fan cooler cooling ventilator",
    "plug": "power-supply power-adapter power-strip surge-protector plug socket psu power-cable outlet",
    "dock": "dock docking-station docking",
    "database": "storage tape",
    # Networks
    "router": "router modem gateway network networking",
    "wifi": "wi-fi wifi mesh access-point extender repeater",
    "ethernet-port": "switch network-switch network-card network-interface-card ethernet interface-card",
    # Power and cables
    "cable": "cable cord lead",
    "unplug": "adapter adaptor converter",
    "plug-zap": "charger charging",
    "power-bank": "power-bank powerbank ups",
    "battery": "battery batteries accumulator",
    # Sound
    "headphones": "headphone headphones earphone",
    "headset": "headset",
    "earbuds": "earbud earbuds in-ears",
    "speaker": "speaker loudspeaker subwoofer studio-monitor",
    "soundbar": "soundbar",
    "mic": "microphone mic",
    "radio": "radio receiver tuner",
    "volume-2": "amplifier dac preamplifier sound-card",
    "audio-lines": "audio-interface mixer equaliser",
    "disc-3": "turntable record-player cd dvd blu-ray vinyl software licence license",
    "piano": "piano",
    "guitar": "guitar ukulele",
    "music": "music instrument",
    # Pictures
    "webcam": "webcam",
    "camera": "camera lens photo",
    "video": "camcorder video capture-card dashcam",
    "cctv": "security-camera surveillance-camera ip-camera cctv",
    "projector": "projector",
    "presentation": "whiteboard flipchart projection-screen presentation",
    "tv": "tv television media-player streamer",
    "drone": "drone quadcopter",
    # Phones and wearables
    "smartphone": "phone smartphone phone-case",
    "phone": "telephone landline",
    "tablet": "tablet tablet-pc",
    "book-open": "e-reader ereader reader book magazine diary calendar",
    "watch": "smartwatch watch tracker band clock",
    "vr": "vr-headset vr-glasses",
    "glasses": "glasses sunglasses",
    # Games
    "gamepad-2": "controller gamepad game",
    "gamepad": "console handheld",
    "joystick": "joystick stick flight-stick",
    "circle-gauge": "wheel racing-wheel thermostat gauge meter",
    # Printing
    "printer": "printer printing plotter copier fax toner multifunctional",
    "droplets": "ink cartridge ink-cartridge",
    "barcode": "label-printer barcode label",
    "file-text": "paper notepad form",
    # Office and home
    "office-chair": "office-chair gaming-chair desk-chair stool chair",
    "sofa": "sofa couch armchair",
    "desk": "desk table standing-desk",
    "lamp-desk": "lamp desk-lamp light-bar",
    "lightbulb": "light bulb lighting led candle",
    "monitor-speaker": "monitor-arm monitor-stand arm",
    "monitor-smartphone": "stand mount bracket holder laptop-stand",
    "archive": "cabinet drawer organiser organizer shelf box tray",
    "scissors": "scissors shredder cutter trimmer",
    "calculator": "calculator",
    "footprints": "footrest shoe shoes boot slipper sock",
    "shield": "protector cover warranty insurance guard",
    "box": "case packaging",
    "backpack": "backpack bag sleeve rucksack briefcase suitcase",
    "lock": "lock safe padlock",
    "wrench": "tool kit screwdriver drill wrench spare part",
    "bot": "robot vacuum robot-vacuum",
    # Household and gifts
    "refrigerator": "refrigerator fridge freezer",
    "washing-machine": "washer dryer washing-machine dishwasher",
    "coffee": "coffee mug cup espresso tea teapot coffee-maker coffee-machine espresso-machine",
    "cooking-pot": "pot pan oven cooker fryer grill",
    "microwave": "microwave",
    "blender": "blender juicer",
    "utensils": "cutlery plate bowl fork knife spoon kitchen",
    "heater": "heater radiator heating",
    "air-vent": "purifier humidifier conditioner dehumidifier",
    "wine": "wine glass bottle",
    "toy-brick": "toy doll puzzle brick playset",
    "flower": "flower plant garden",
    "gem": "jewellery jewelry necklace ring bracelet earring",
    "shirt": "shirt dress clothing jacket trousers",
    "bike": "bike bicycle scooter",
    "gift": "gift present wrap card",
    "palette": "paint craft art",
    "car": "car vehicle",
    "house": "house home",
    "spray-can": "spray cleaner polish",
    "frame": "frame picture poster",
}
"""Words by icon, as slugs. The last word of a type names the thing, so later words win over earlier ones."""

_ICONS = {keyword: icon for icon, keywords in _KEYWORDS_BY_ICON.items() for keyword in keywords.split()}


@lru_cache(maxsize=2048)
def icon_name(kind: str) -> str:
    """Return the icon for a kind of product given as a slug; a parcel for one that nothing is known of.

    A ``laptop-backpack`` is a backpack and a ``power-bank`` a power bank: the expression that ends last decides, and
    of those that end at the same word the longest.
    """
    slug = kind.lower()
    if slug in _CATEGORY_ICONS:
        return _CATEGORY_ICONS[slug]
    words = slug.split("-")[:_MAX_WORDS]
    for end in range(len(words), 0, -1):
        for start in range(max(end - _LONGEST_WORDS, 0), end):
            expression = "-".join(words[start:end])
            icon = _ICONS.get(expression) or _ICONS.get(expression.removesuffix("s"))
            if icon:
                return icon
    return FALLBACK_ICON


def known_icons() -> frozenset[str]:
    """Return the names of all icons that a kind may lead to."""
    return frozenset((*_KEYWORDS_BY_ICON, *_CATEGORY_ICONS.values(), FALLBACK_ICON))
