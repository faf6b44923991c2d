"""What one person wears and looks like: uniforms for the body shader, and the list of additions to the head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Array = NDArray[np.floating]

SKINS: Array = np.array(
    [[0.96, 0.80, 0.72], [0.90, 0.72, 0.60], [0.80, 0.60, 0.47], [0.68, 0.48, 0.35], [0.52, 0.35, 0.25],
     [0.36, 0.24, 0.17], [0.25, 0.16, 0.12]]
)  # fmt: skip
HAIRS: Array = np.array(
    [[0.02, 0.02, 0.02], [0.05, 0.035, 0.03], [0.12, 0.07, 0.04], [0.25, 0.15, 0.08], [0.45, 0.30, 0.15],
     [0.70, 0.55, 0.33], [0.45, 0.15, 0.06], [0.55, 0.55, 0.55], [0.85, 0.84, 0.82]]
)  # fmt: skip
STYLES = {  # hair or headwear: share of people
    "bald": 0.05, "buzz": 0.09, "short": 0.24, "medium": 0.12, "long": 0.16, "bun": 0.06, "tail": 0.06, "afro": 0.07,
    "hat": 0.05, "cap": 0.05, "hood": 0.05,
}  # fmt: skip
CURTAIN, ELLIPSOID, DOME, RING = range(4)
HEAD_PART, CLOTH_PART = 1.0, 0.5


@dataclass
class Addition:
    """One parametric surface in rest coordinates of the head (or the neck): uniforms of the extra shader."""

    uniforms: dict[str, Any]
    on_neck: bool = False


@dataclass
class Look:
    """uniforms: of the body shader; hair_thickness metres, 0 for none; additions in drawing order."""

    style: str
    uniforms: dict[str, Any]
    hair_thickness: float
    additions: list[Addition] = field(default_factory=list)


def random_look(rng: Rng) -> Look:
    """A person's look, all of it from `rng`."""
    skin = SKINS[rng.integers(len(SKINS))] * rng.uniform(0.85, 1.08) + rng.normal(0, 0.02, 3)
    hair = _hair_colour(rng)
    style = str(rng.choice(list(STYLES), p=list(STYLES.values())))
    thickness = _thickness(rng, style)
    uniforms = {
        "seed": rng.uniform(0, 50, 3),
        "skin": skin,
        "hair": hair,
        "hair_light": np.clip(hair * rng.uniform(1.2, 2.5) + 0.02, 0, 1),
        **_face(rng, skin),
        **_hair(rng, style, thickness),
        **_clothes(rng),
    }
    look = Look(style, uniforms, thickness)
    look.additions = _additions(rng, look)
    return look


def _colour(rng: Rng) -> Array:
    """Cloth: anything from black to loud, mostly muted."""
    colour = rng.uniform(0, 1, 3)
    if rng.random() < 0.5:  # most clothes are near grey
        colour = colour.mean() + (colour - colour.mean()) * rng.uniform(0, 0.5)
    return np.clip(colour * rng.uniform(0.25, 1) + (rng.uniform(0.4, 1) if rng.random() < 0.2 else 0), 0.02, 1)


def _hair_colour(rng: Rng) -> Array:
    if rng.random() < 0.03:
        return rng.uniform(0, 1, 3)
    base = HAIRS[rng.integers(len(HAIRS) if rng.random() < 0.55 else 3)]
    return np.clip(base * rng.uniform(0.6, 1.3) + rng.normal(0, 0.012, 3), 0.01, 1)


def _thickness(rng: Rng, style: str) -> float:
    low, high = {
        "bald": (0, 0), "buzz": (0.002, 0.004), "short": (0.006, 0.022), "medium": (0.015, 0.03), "long": (0.008, 0.02),
        "bun": (0.005, 0.008), "tail": (0.005, 0.009), "afro": (0.03, 0.085), "hat": (0.006, 0.01),
        "cap": (0.004, 0.01), "hood": (0.005, 0.008),
    }[style]  # fmt: skip
    return float(rng.uniform(low, high))


def _face(rng: Rng, skin: Array) -> dict[str, Any]:
    painted = rng.random() < 0.25
    bearded = rng.random() < 0.22
    stubble = rng.uniform(0, 0.25) * float(rng.random() < 0.4)
    return {
        "iris": rng.uniform(0.03, 0.4, 3) * [1, 0.8, 0.7],
        "lips": np.array([0.65, 0.1, 0.15]) if painted else np.clip(skin * [0.88, 0.6, 0.58], 0, 1),
        "face": (rng.uniform(0, 0.9), rng.uniform(0.3, 1), rng.uniform(0.3, 1) if bearded else stubble, 0.0),
        "brow": (rng.normal(0, 0.0025), rng.uniform(0.4, 1.3), rng.normal(0, 0.12), rng.uniform(0, 1)),
        "glasses": float(rng.choice([0, 1, 2], p=[0.8, 0.13, 0.07])),
        "mask_on": float(rng.random() < 0.03),
    }


def _hair(rng: Rng, style: str, thickness: float) -> dict[str, Any]:
    curly = style == "afro" or rng.random() < 0.2
    receding = rng.random() < 0.15
    return {
        "hair_shape": (
            thickness,
            rng.uniform(0, 1.2),
            rng.uniform(0, 1) if rng.random() < 0.5 else 0.0,
            rng.uniform(8, 40),
        ),
        "hair_fall": rng.uniform(0, 1),
        "hair_grain": (
            rng.uniform(90, 260) if curly else rng.uniform(120, 320),
            rng.uniform(0.3, 0.8) if curly else rng.uniform(0.15, 0.5),
            1.0 if curly else rng.uniform(0.02, 0.5),
            rng.normal(0, 0.02),
        ),
        "hairline": (
            rng.uniform(0.72, 0.75) if receding else rng.uniform(0.698, 0.722),
            rng.uniform(0.655, 0.678),
            rng.uniform(0.565, 0.60),
            rng.normal(0, 0.4),
        ),
    }


def _clothes(rng: Rng) -> dict[str, Any]:
    trousers = _colour(rng) * 0.7
    return {
        "cloth_a": _colour(rng),
        "cloth_b": _colour(rng),
        "cloth_c": _colour(rng),
        "trouser_colour": trousers,
        "shoe": _colour(rng) * 0.5,
        "shirt": (
            rng.uniform(0.43, 0.50) if rng.random() < 0.85 else rng.uniform(0.5, 0.55),
            rng.uniform(-0.03, 0.12),
            rng.choice([1.05, 1.4, 1.6, 2.3, 2.98]),
            rng.uniform(0.004, 0.028),
        ),
        "trousers": (rng.choice([-0.79, -0.45, -0.25, -0.78, -0.76]), rng.uniform(0.004, 0.012)),
        "v_neck": float(rng.random() < 0.4) * rng.uniform(0.5, 1.6),
        "open_front": float(rng.random() < 0.25) * rng.random(),
        "pattern": (rng.choice([0.5, 0.5, 0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5]), rng.uniform(8, 45)),
    }


def _additions(rng: Rng, look: Look) -> list[Addition]:
    u = look.uniforms
    hair = {"colour": u["hair"] * 0.75, "colour_light": u["hair_light"], "streak": 1.0, "fabric": 0.0}
    hat = _colour(rng)
    cloth = {"colour": hat, "colour_light": np.clip(hat * rng.uniform(0.8, 1.3), 0, 1), "fabric": 1.0, "gaps": 0.0}
    cloth["streak"] = rng.uniform(0.1, 1)
    out: list[Addition] = []

    def add(kind: int, base: dict[str, Any], on_neck: bool = False, **more: Any) -> None:
        defaults = {"gaps": 0.0, "bend": 0.0, "shape": (0, 0, 0, 0.06), "drape": (0, 0, 0, 0), "middle": (0, 0, 0)}
        part = CLOTH_PART if on_neck else HEAD_PART
        values = {**defaults, "radius": (1, 1, 1), "part": part, "seed": u["seed"], **base, **more, "kind": kind}
        out.append(Addition(values, on_neck))

    if look.style in ("medium", "long"):
        length = rng.uniform(0.10, 0.30) if look.style == "long" else rng.uniform(0.04, 0.10)
        add(CURTAIN, hair, gaps=rng.uniform(0, 0.25), drape=(0, rng.uniform(-0.25, 0.35), rng.uniform(-0.02, 0.03), 0),
            shape=(rng.uniform(0.95, 1.5), rng.uniform(0, 0.16), length, rng.uniform(0.01, 0.14)))  # fmt: skip
    elif look.style == "bun":
        r = rng.uniform(0.025, 0.042)
        add(ELLIPSOID, hair, gaps=0.05, middle=(0, rng.uniform(0.06, 0.09), rng.uniform(0.62, 0.76)), radius=(r, r, r))
    elif look.style == "tail":
        add(ELLIPSOID, hair, gaps=0.15, bend=rng.uniform(-0.3, 0.2), shape=(0, 0, 0, 0.15),
            middle=(0, rng.uniform(0.07, 0.1), rng.uniform(0.54, 0.64)),
            radius=(rng.uniform(0.018, 0.035), rng.uniform(0.018, 0.03), rng.uniform(0.07, 0.14)))  # fmt: skip
    elif look.style == "hood":
        hood = {**cloth, "colour": u["cloth_a"], "colour_light": u["cloth_a"]}
        add(CURTAIN, hood, drape=(0, rng.uniform(0, 0.4), 0.01, 0),
            shape=(rng.uniform(0.8, 1.15), rng.uniform(0.1, 0.25), rng.uniform(0.08, 0.16), 0.04))  # fmt: skip
    elif look.style in ("hat", "cap"):
        top = (0.088, 0.11, rng.uniform(0.075, 0.1))
        add(DOME, cloth, shape=(0, 0, 0, 0.02), middle=(0, -0.035, rng.uniform(0.69, 0.705)), radius=top)
        if look.style == "cap":
            backwards = rng.random() < 0.1
            add(ELLIPSOID, cloth, middle=(0, 0.06 if backwards else -0.13, 0.70), radius=(0.065, 0.085, 0.006))
        elif rng.random() < 0.5:
            brim = (rng.uniform(0.11, 0.16), rng.uniform(0.13, 0.18), 0.006)
            add(ELLIPSOID, cloth, middle=(0, -0.035, 0.70), radius=brim)
    if rng.random() < 0.22:  # collar, scarf, or a hood lying on the shoulders
        scarf = {**cloth, "colour": _colour(rng), "colour_light": _colour(rng)} if rng.random() < 0.4 else {
            **cloth, "colour": u["cloth_a"], "colour_light": u["cloth_b"]}  # fmt: skip
        add(RING, scarf, on_neck=True, middle=(0, rng.uniform(-0.005, 0.02), rng.uniform(0.455, 0.49)),
            radius=(rng.uniform(0.062, 0.08), rng.uniform(0.066, 0.085), rng.uniform(0.012, 0.032)),
            bend=rng.uniform(0.8, 1.8), shape=(0, 0, 0, rng.uniform(0.02, 0.2)), drape=(0, 0, 0.1, 0))  # fmt: skip
    return out
