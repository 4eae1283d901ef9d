"""Another export of a film, as an archive may hold it beside the first one."""

import cv2
import numpy as np


def export(film, rng, crop=0.01, gain=0.2, shift=15, quality=70):
    """Another export: cropped, re-windowed, re-noised, compressed again."""
    height, width = film.shape
    cut = [round(side * crop) for side in film.shape]
    top, left = (rng.integers(0, c + 1) for c in cut)
    part = film[top : top + height - cut[0], left : left + width - cut[1]]
    part = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR).astype(float)
    part = (part - 128) * rng.uniform(1 - gain, 1 + gain) + 128 + rng.uniform(-shift, shift)
    part = np.clip(part + rng.normal(0, 2, part.shape), 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
