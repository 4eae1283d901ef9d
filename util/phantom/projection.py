"""The camera of the simulated radiograph: where a point of the body falls on the film, and how mass is gathered there.

Lengths are centimetres. x runs to the patient's left (the film's right), y downward from the lung apex, z forward.
One pixel is `fov / size` cm in the plane z = 0, so films of different `size` show the same geometry.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

FIELD = 56.0  # cm: side of the square that random textures cover, fixed to the patient and not to the film
FIELD_LEFT, FIELD_TOP = -28.0, -16.0
SCALE, AMPLITUDE = 13.0, 0.42  # cm: of the smooth distortion of a chest
HEIGHTS = np.arange(32 * 64, dtype=np.float32) / 32 - 16  # cm: where functions of the height alone are tabulated


def sigmoid(x, width):
    """Smooth step of `x` from 0 to 1 over a few `width`."""
    step = np.tanh(x * (0.5 / width))
    step *= 0.5
    step += 0.5
    return step


def root(x):
    """Square root with negative numbers taken as 0: half the chord through a disc is root(r^2 - d^2)."""
    return np.sqrt(np.clip(x, 0, np.inf))  # np.clip is several times as fast as np.maximum


def bell(x, width):
    """exp(-(x / width)^2), the profile of a soft-edged line."""
    exponent = x * x * (-1 / (width * width))
    return np.exp(exponent, out=exponent)


def smooth_max(a, b):
    """The larger of two thickness maps, rounded where they meet over half a centimetre."""
    width = 0.5  # cm
    both = a + b
    larger = (both + np.sqrt(np.square(a - b) + width * width)) * 0.5
    return larger - np.float32(0.5 * width) * (both < 2 * width)


def capsule(x, y, start, end, radius_start, radius_end):
    """Path length through a tapered limb whose axis runs from `start` to `end` in the film's plane."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    x, y, square = x - start[0], y - start[1], dx * dx + dy * dy
    along = np.clip(x * (dx / square) + y * (dy / square), 0, 1)
    x -= along * dx
    y -= along * dy
    radius = radius_start + (radius_end - radius_start) * along
    return 2 * root(radius * radius - x * x - y * y)


@dataclass(frozen=True)
class Camera:
    """A cone beam onto a flat detector.

    size: pixels a side; fov: cm a side; centre: (x, y) in cm at the middle of the film; roll, yaw, pitch: radians;
    source: focus to detector in cm; anterior: whether the detector touches the chest (PA) or the back (AP).
    """

    size: int
    fov: float
    centre: tuple
    roll: float
    yaw: float
    pitch: float
    source: float
    anterior: bool

    @cached_property
    def cm(self):
        """Side of a pixel in cm."""
        return self.fov / self.size

    @cached_property
    def grid(self):
        """Two float32 (size, size) maps: x and y in cm of every pixel in the plane z = 0."""
        ramp = (np.arange(self.size, dtype=np.float32) + 0.5) * np.float32(self.cm) - np.float32(self.fov / 2)
        u, v = ramp[None, :], ramp[:, None]
        c, s = math.cos(self.roll), math.sin(self.roll)
        return u * c + (v * s + self.centre[0]), v * c - (u * s - self.centre[1])

    @cached_property
    def _level(self):
        return np.clip((self.grid[1] + 16) * 32, 0, len(HEIGHTS) - 1).astype(np.intp)

    def at(self, function):
        """A function of the height y (cm, 1-D), looked up for every pixel (float32 map)."""
        return np.take(function(HEIGHTS).astype(np.float32), self._level)

    def magnification(self, z):
        """Size on the film of a thing at depth `z`, relative to the plane z = 0."""
        far = self.source - 11
        return 1 / (1 + z * ((1 if self.anterior else -1) / far))

    def project(self, points):
        """Pixel coordinates (column, row), float arrays, of (n, 3) points, or of (n, 2) points taken at z = 0."""
        x, y = points[:, 0], points[:, 1]
        if points.shape[1] == 3:
            z = points[:, 2]
            scale = self.magnification(z)
            x = (x * math.cos(self.yaw) + z * math.sin(self.yaw)) * scale
            y = (y - 10) * scale - z * (0.55 * math.tan(self.pitch)) + 10
        c, s = math.cos(self.roll) / self.cm, math.sin(self.roll) / self.cm
        middle, (left, top) = self.size / 2 - 0.5, self.centre
        return x * c - y * s + (middle - left * c + top * s), x * s + y * c + (middle - left * s - top * c)

    def splat(self, points, mass):
        """Thickness map (cm, float32) of a cloud of points (n, 3) with masses float64 (n,) in cm^3."""
        n = self.size + 2  # a frame of one pixel takes what falls beside the film
        column, row = (np.clip(p + 1.5, 0, n - 1).astype(np.int32) for p in self.project(points))
        gathered = np.bincount(row * n + column, mass, n * n).astype(np.float32).reshape(n, n)
        return gathered[1:-1, 1:-1] * (1 / self.cm**2)

    def draw(self, canvas, points, width, value=255, closed=False):
        """Draw a line of `width` cm through points (cm) on a uint8 canvas, in place."""
        cv2.polylines(canvas, [self._fixed(points)], closed, int(value), max(1, round(width / self.cm)), cv2.LINE_AA, 4)

    def draw_each(self, canvas, paths, width, values):
        """Draw many lines of `width` cm, float (n, k, 2) in cm, each of its own value; all are projected at once."""
        fixed = self._fixed(paths.reshape(-1, 2)).reshape(paths.shape)
        for path, value in zip(fixed, values, strict=True):
            cv2.polylines(canvas, [path], False, int(value), max(1, round(width / self.cm)), cv2.LINE_AA, 4)

    def fill(self, canvas, points, value=255):
        """Fill the polygon through points (cm) on a uint8 canvas, in place."""
        cv2.fillPoly(canvas, [self._fixed(points)], int(value), cv2.LINE_AA, 4)

    def rings(self, canvas, centres, radii, width, values):
        """Draw many rings of line `width` cm round centres (n, 2) in cm, each of its own radius and value."""
        line = max(1, round(width / self.cm))
        for (column, row), radius, value in zip(self._fixed(centres).tolist(), radii, values, strict=True):
            cv2.circle(canvas, (column, row), int(16 * radius / self.cm), int(value), line, cv2.LINE_AA, 4)

    def disc(self, canvas, centre, radius, value=255):
        """Draw a disc round `centre` (cm) on a uint8 canvas, in place."""
        centre = self._fixed([centre])[0].tolist()
        cv2.circle(canvas, centre, int(16 * radius / self.cm), int(value), -1, cv2.LINE_AA, 4)

    def window(self, x, y, reach):
        """Slices (rows, columns) of the film that hold everything within `reach` cm of (x, y)."""
        (column,), (row,) = self.project(np.array([[x, y]], float))
        pixels = reach / self.cm + 2

        def part(middle):
            low, high = (min(max(end, 0), self.size) for end in (middle - pixels, middle + pixels))
            return slice(int(low), int(high))

        return part(row), part(column)

    @cached_property
    def coarse(self):
        """The same camera with half as many pixels a side, for smooth maps."""
        return replace(self, size=self.size // 2)

    def enlarge(self, image):
        """A coarse camera's map at this camera's size."""
        return cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def canvas(self):
        """An empty uint8 drawing the size of the film."""
        return np.zeros((self.size, self.size), np.uint8)

    def soften(self, canvas, sigma):
        """A uint8 drawing as a float32 map in 0..1, blurred by `sigma` cm."""
        return self.blur(canvas.astype(np.float32) * np.float32(1 / 255), sigma)

    def _fixed(self, points):
        return np.round(np.stack(self.project(np.asarray(points, float)), 1) * 16).astype(np.int32)

    def blur(self, image, sigma):
        """Gaussian blur of `sigma` cm; broad blurs are made on a smaller copy, where they look the same."""
        pixels = sigma / self.cm
        shrink = max(int(pixels / 2.5), 2 if pixels > 3.6 else 1)
        if shrink == 1:
            return cv2.GaussianBlur(image, (0, 0), max(pixels, 0.2), borderType=cv2.BORDER_REPLICATE)
        small = cv2.resize(image, (max(8, self.size // shrink),) * 2, interpolation=cv2.INTER_AREA)
        sigma_small = pixels * small.shape[0] / self.size
        small = cv2.GaussianBlur(small, (0, 0), sigma_small, borderType=cv2.BORDER_REPLICATE)
        return cv2.resize(small, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def wander(self, rng):
        """A smooth random distortion of the film, fixed to the patient: no chest is symmetric.

        Returns a function that moves the content of a (size, size) map, float32 or bool, by about AMPLITUDE cm.
        """
        ramp = np.arange(self.size, dtype=np.float32)
        moves = [self.texture(rng, (SCALE,), (AMPLITUDE,)) * np.float32(1 / self.cm) for _ in range(2)]
        margin = math.ceil(max(np.abs(move).max() for move in moves)) + 1
        columns, rows = moves[0] + ramp, moves[1] + ramp[:, None]

        def move(image, part=np.s_[:, :]):
            return cv2.remap(image, columns[part], rows[part], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

        def move_mask(mask):  # nothing but its surroundings
            x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
            part = np.s_[max(0, y - margin) : y + h + margin, max(0, x - margin) : x + w + margin]
            moved = np.zeros_like(mask)
            moved[part] = move(mask.astype(np.float32), part) > 0.5
            return moved

        return lambda image: move_mask(image) if image.dtype == bool else move(image)

    def texture(self, rng, scales, weights):
        """Zero-mean random map (float32): a sum of fields of the given grain sizes (cm), fixed to the patient."""
        total = np.zeros((self.size, self.size), np.float32)
        c, s = math.cos(self.roll), math.sin(self.roll)
        left, top = self.centre[0] - FIELD_LEFT, self.centre[1] - FIELD_TOP  # of the film's middle in the field
        for scale, weight in zip(scales, weights, strict=True):
            knots = int(FIELD / scale) + 4
            values = rng.standard_normal((knots, knots), dtype=np.float32) * np.float32(weight)
            step = FIELD / (knots - 1)
            how = (cv2.INTER_CUBIC if step > 2 * self.cm else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
            shrink = 4 if step > 20 * self.cm else 2 if step > 8 * self.cm else 1  # a smooth field needs few pixels
            side, pixel = -(-self.size // shrink), shrink * self.cm
            first = (pixel - self.fov) / 2  # from the film's middle to that of its first pixel
            matrix = np.array([
                [pixel * c, pixel * s, first * (c + s) + left], [-pixel * s, pixel * c, first * (c - s) + top]
            ])  # fmt: skip
            part = cv2.warpAffine(values, matrix / step, (side, side), flags=how, borderMode=cv2.BORDER_REFLECT)
            if shrink > 1:
                part = cv2.resize(part, (side * shrink,) * 2, interpolation=cv2.INTER_LINEAR)
            total += part[: self.size, : self.size]
        return total
