"""Bones and lung vessels of a patient as clouds of points, each with a mass, for `projection.Camera.splat`.

What is random is drawn bone by bone and branch by branch, so that a patient stays the same whatever is drawn together.
"""

from functools import lru_cache

import numpy as np

from util.phantom.projection import bell

RIB_ENDS = (155, 150, 148, 145, 143, 138, 132, 124, 116, 108, 88)  # degrees from the spine, first to eleventh rib


def _tube(path, radius, around, wobble, shell, radius_y=None, density=1.0):
    """Cloud of bones: a cortical shell (thickness `shell`) and a weak core along polylines.

    path: (3, ..., n), x, y and z of polylines; radius, radius_y, density: (..., n) or scalar; wobble: float32
    (..., n, m), uniform in 0..1, what keeps the points, `around` of the shell and then those of the core, from lying
    in rows. Returns points float32 (3, ...) and masses float64 (...).
    """
    core = wobble.shape[-1] - around
    tangent = np.gradient(path, axis=-1)
    step = np.sqrt((tangent * tangent).sum(0))
    x, y, z = tangent / (step + 1e-9)
    level = np.sqrt(x * x + z * z) + 1e-9
    rx, ry = np.asarray(radius), np.asarray(radius if radius_y is None else radius_y)
    sideways, forward = -z / level, x / level  # `across` is level and square to the tangent, `upward` to both
    across = np.stack([sideways * rx, np.zeros_like(y), forward * rx])
    upward = np.stack([-forward * y, forward * x - sideways * z, sideways * y]) * ry
    angle, reach, slip = _lattice(path.shape[-1], around, core)
    wobble = wobble * np.float32(0.3)
    angle = angle + wobble * np.float32(2 * np.pi / around)
    offsets = np.cos(angle) * reach, np.sin(angle) * reach, slip + wobble * np.float32(2.5)
    points = np.empty((3, *angle.shape), np.float32)
    points[:] = path[..., None]
    for axis, offset in zip((across, upward, tangent), offsets, strict=True):
        points += axis.astype(np.float32)[..., None] * offset
    girth = 2 * np.pi * np.sqrt((rx**2 + ry**2) / 2)
    mass = np.empty(angle.shape)
    mass[..., :around] = (density * girth * shell * step / around)[..., None]
    mass[..., around:] = (density * 0.27 * np.pi * rx * ry * step / core)[..., None]
    return points, mass


@lru_cache(maxsize=8)
def _lattice(n, around, core):
    """Where the points of a tube lie round its axis (angle, share of the radius) and along it (steps).

    Golden-ratio lattices instead of random points: the same smooth shadow from a third of the points.
    """
    row, ring, disc = np.arange(n)[:, None], np.arange(around), np.arange(core)
    angle = np.concatenate([(ring + row * 0.618034 % 1) / around, (row * 0.754878 + disc * 0.618034) % 1], 1)
    reach = np.concatenate([np.ones((n, around)), np.sqrt((row * 0.569840 % 1 + disc) / core % 1)], 1)
    slip = np.arange(around + core) * 0.618034 % 1 - 0.65
    return (angle * 2 * np.pi).astype(np.float32), reach.astype(np.float32), slip.astype(np.float32)


def _cloud(parts):
    """Points float32 (n, 3), column by column in memory, and masses float64 (n,) of parts (3, ...) and (...)."""
    points, mass = zip(*parts, strict=True)
    return np.concatenate([p.reshape(3, -1) for p in points], 1).T, np.concatenate([m.ravel() for m in mass])


def make_bones(body, rng):
    """Ribs, their cartilage and clavicles: points float32 (n, 3) in cm and masses float64 (n,) in cm^3.

    body: measures and border functions of `anatomy.Anatomy`.
    """
    slope, half, drop = (rng.uniform(0.75, 1.25), rng.uniform(0.38, 0.58), rng.uniform(6, 10.5))
    ribs, clavicles = [], []
    for side in (-1, 1):
        ribs += [_draw_rib(rng, side, number, body.age > 40 and number < 9) for number in range(1, 12)]
        clavicles.append((rng.uniform(0.4, 3.0), rng.normal(), rng.random((170, 29), dtype=np.float32)))
    upper, lower = [rib for rib in ribs if rib["number"] <= 2], [rib for rib in ribs if rib["number"] > 2]
    points, mass = _cloud([
        *_ribs(body, upper, slope * drop, half), *_ribs(body, lower, slope * drop, half), _clavicles(body, clavicles)
    ])  # fmt: skip
    return points, mass * body.bone_density


def _draw_rib(rng, side, number, calcified):
    """The random numbers of one rib, and of the stub of its cartilage where that is calcified."""
    drawn = {"side": side, "number": number, "drop": rng.normal(), "end": rng.normal(), "phase": rng.random()}
    drawn["surface"] = rng.random((180 if number > 2 else 130, 24), dtype=np.float32)
    if calcified:
        drawn |= {"stub": rng.uniform(0.25, 0.55), "chalk": rng.random()}
        drawn["stub_surface"] = rng.random((24, 11), dtype=np.float32)
    return drawn


def _ribs(body, ribs, drop, half):
    """Clouds of ribs that have equally many points, and of the calcified stubs of their cartilage (middle age)."""

    def column(name):
        return np.array([rib[name] for rib in ribs])[:, None]

    side, number = column("side"), column("number")
    top = body.vertebra[4 + number] - 0.4
    drop = drop * (0.45 + 0.55 * np.minimum(1, number / 5)) * (1 - 0.03 * np.maximum(0, number - 7))
    drop = drop * (1 + 0.03 * column("drop"))
    end = np.array(RIB_ENDS)[number - 1] + column("end") * 3
    surface = np.stack([rib["surface"] for rib in ribs])
    turn = np.radians(np.linspace(9, end[:, 0], surface.shape[1], axis=1))
    level = top + drop * 0.45
    reach, depth = body.border(level) + 0.35, body.half_depth(level) + 0.35
    reach = np.where(number == 1, np.maximum(reach * 0.86, 4.6), reach)
    x = reach * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.86
    y = top + drop * (1 - np.cos(turn)) / 2 * (0.85 + 0.15 * np.sin(turn))
    y -= 0.9 * bell(turn - 0.45, 0.35) * np.minimum(1, number / 4)
    y += 0.12 * np.sin(turn * 4 + column("phase") * 6)
    path = np.stack([side * x + body.spine(top) * 0.7, y, -depth * np.cos(turn) - 0.3])
    width = half * (1 + 0.12 * np.sin(turn * 3 + number)) * (0.82 + 0.25 * np.clip((turn - 1.2) / 1.3, 0, 1))
    width *= np.where(number == 1, 1.15, np.where(number > 9, 0.85, 1.0))
    thin = 1 - 0.4 * np.clip((turn - 1.6) / 0.8, 0, 1)  # the front of a rib casts less shadow
    yield _tube(path, 0.33, 18, surface, 0.115, radius_y=width, density=thin)
    stubs = [(rib, tip) for rib, tip in zip(ribs, path[..., -1].T, strict=True) if "stub" in rib]
    if stubs:
        yield _cartilage(body, stubs, half)


def _cartilage(body, stubs, half):
    """Cloud of calcified stubs of cartilage, which run from the tips (x, y, z) of their ribs towards the sternum."""
    lengths, chalk, surface = ([rib[name] for rib, _ in stubs] for name in ("stub", "chalk", "stub_surface"))
    tips = np.array([tip for _, tip in stubs])
    ends = [(r["side"] * 2.2, y + (-1.5 if r["number"] > 4 else 0.3), body.depth * 0.95) for r, (_, y, _) in stubs]
    path = tips.T[..., None] + ((ends - tips) * np.array(lengths)[:, None]).T[..., None] * np.linspace(0, 1, 24)
    chalk = np.array(chalk)[:, None] * 0.5 * min((body.age - 40) / 30, 1)
    return _tube(path, 0.35, 8, np.stack(surface), 0.05, radius_y=half, density=chalk)


def _clavicles(body, drawn):
    """Cloud of both clavicles, from the random numbers (rise, level, surface) of the right and the left one."""
    rise, level, surface = (np.array(numbers) for numbers in zip(*drawn, strict=True))
    t = np.linspace(0, 1, 170)
    x = np.outer([-1, 1], 1.7 + t * (body.half_width + 0.2))
    y = 4.3 + level[:, None] * 0.5 - 0.9 * np.sin(t * np.pi * 0.9) - t * rise[:, None] + 0.45 * np.sin(t * 6.28)
    z = body.depth * 0.72 - 9 * t**1.6 + 1.2 * np.sin(t * 6.28)
    head = 0.28 * bell(t, 0.1)
    path = np.stack([x, y, np.broadcast_to(z, x.shape)])
    return _tube(path, 0.48 + head, 22, surface, 0.11, radius_y=0.52 + head + 0.15 * t, density=2.1)


def make_vessels(body, rng):
    """Pulmonary arteries and veins: trees that branch six times from each hilum (Murray's exponent 2.7).

    Points and masses as of `make_bones`.
    """
    parts, surfaces = [], []
    for side in (-1, 1):
        for kind in (0, 1):
            start = [
                side * (3.4 if side > 0 else 3.6),
                body.height * (0.415 if side > 0 else 0.455) + 1.3 * kind,
                0.8 * (kind - 1),
            ]
            parts += _tree(body, rng, side, np.array(start), 1.0 if kind == 0 else 0.85)
        surfaces.append(rng.random((90, 112), dtype=np.float32))
    t = np.linspace(0, 1, 90)  # the main arteries
    x = np.outer([-1, 1], 1.2 + 3.3 * t - 0.5 * t * t)
    y = body.height * np.array([[0.43], [0.40]]) + 3.4 * t**1.7
    path = np.stack([x, y, np.full_like(x, -0.5)])
    points, mass = _tube(path, 0.80 - 0.34 * t, 84, np.stack(surfaces), 0.0)
    return _cloud([*parts, (points[..., 84:], mass[..., 84:] * (0.8 / 0.27))])  # blood without a shell


def _tree(body, rng, side, hilum, scale):
    """One vascular tree, generation by generation: (points, mass) of each. x, y and z come first."""
    angle = np.radians(np.array([-74, -45, -10, 25, 50, 68, 82]) + rng.normal(0, 8, 7))
    heading = _unit(np.stack([side * np.cos(angle), np.sin(angle), rng.normal(0, 0.45, 7)]))
    radius = (0.36 + 0.14 * np.maximum(np.sin(angle), -0.3)) * body.calibre * rng.uniform(0.8, 1.2, 7) * scale
    origin = hilum[:, None] + heading * rng.uniform(0, 0.8, 7)
    length = rng.uniform(1.8, 3.6, 7)
    parts = []
    for generation in range(6):
        points, mass, tips = _segments(rng, origin, heading, radius, length, generation)
        parts.append((points, mass))
        fraction = rng.uniform(0.35, 0.65, len(length))
        sideways = rng.normal(size=(len(length), 3)).T
        sideways = _unit(sideways - heading * (sideways * heading).sum(0)) * [[1], [1], [0.6]]
        spread = np.radians(rng.uniform(14, 38, (2, len(length)))) * (1.2 - np.stack([fraction, 1 - fraction]))
        heading = heading[:, None] * np.cos(spread) + sideways[:, None] * (np.sin(spread) * [[1], [-1]])
        heading[0] += 0.05 * side
        heading = _unit(heading).reshape(3, -1)
        radius = np.concatenate([radius * fraction**0.37, radius * (1 - fraction) ** 0.37]) * 0.97
        origin = np.concatenate([tips, tips], 1)
        length = np.tile(length, 2) * rng.uniform(0.6, 1.0, 2 * len(length))
        x, y = np.abs(origin[0]), origin[1]
        keep = (x < body.border(y) * 0.99) & (y > 0.4) & (x > 1.5) & (y < body.height + 1) & (radius > 0.032)
        origin, heading, radius, length = (origin[:, keep], heading[:, keep], radius[keep], length[keep])
        if not len(length):
            break
    return parts


def _unit(v):
    return v / (np.sqrt((v * v).sum(0)) + 1e-9)


def _segments(rng, origin, heading, radius, length, generation):
    """Points (float32) and masses (float64) of slightly bent, tapering cylinders, and their tips."""
    n, steps = len(length), min(max(34 - 5 * generation, 8), 34)
    around = (18, 12, 6, 4, 2, 1)[generation]
    t = (np.arange(steps) + rng.random((n, steps))) / steps
    bend = rng.normal(0, 0.22, (n, 3)).T
    axis = heading[..., None] * t + bend[..., None] * (t * (1 - t))
    axis = (origin[..., None] + axis * length[:, None]).astype(np.float32)
    calibre = (radius[:, None] * (1 - 0.16 * t)).astype(np.float32)
    angle = rng.random((n, steps, around)).astype(np.float32) * np.float32(2 * np.pi)
    off = np.sqrt(rng.random((n, steps, around)).astype(np.float32)) * calibre[..., None]
    points = np.repeat(axis, around, axis=-1).reshape(3, n, steps, around)
    points[0] += off * np.cos(angle)
    points[1] += off * np.sin(angle)
    mass = np.square(calibre) * (np.pi / steps / around * length[:, None])
    return points, np.repeat(mass, around), origin + heading * length
