"""From attenuation to grey values: scatter, quantum noise, log, image processing and a look-up table."""

import cv2
import numpy as np

LUT_KNEE = {"linear": (0.16, 0.72), "film": (0.10, 0.62), "flat": (0.05, 0.80)}


def expose(attenuation, chest, rng):
    """Log exposure (float32, 0 is the open beam) behind a map of sum(mu * thickness), noise from `rng`."""
    taken, camera = chest.acquisition, chest.camera
    primary = cv2.exp(-attenuation)
    scatter = camera.blur(np.clip(primary, 0, 0.30), 3.2)
    photons = primary + 0.6 * taken.scatter * scatter
    if taken.blur * 2 > camera.cm * 0.5:
        photons = camera.blur(photons, taken.blur * 2)
    # a pixel of a smaller film gathers more photons, hence less noise
    per_pixel = 1.6e5 * taken.dose * (320 / camera.size) ** 2
    grain = cv2.GaussianBlur(rng.standard_normal(photons.shape, dtype=np.float32), (0, 0), 0.55)
    photons += np.sqrt(np.clip(photons, 1e-5, np.inf) * (1.6**2 / per_pixel)) * grain
    return -cv2.log(np.clip(photons, 2e-4, np.inf))


def process(exposure, chest):
    """Edge enhancement and dynamic-range compression, as a digital detector's software does; float32 map."""
    camera = chest.camera
    sharp = exposure - camera.blur(exposure, 0.45)
    local = exposure - camera.blur(exposure, 2.0)
    broad = camera.blur(exposure, 7.0) - 2
    taken = chest.acquisition
    ramp = np.linspace(-1, 1, camera.size, dtype=np.float32)
    tilted = exposure + (ramp * taken.slope[0] + ramp[:, None] * taken.slope[1])
    return tilted + taken.enhance * 0.9 * sharp + taken.local * local - 0.10 * broad


def window_of(processed, chest):
    """(lung, mediastinum): the processed exposures on which the machine's automatic window is set."""
    return _landmark(processed, chest.field, 32, 1.6), _landmark(processed, chest.core, 60, 3.2)


def look_up(processed, chest, window):
    """Grey values 0..255 (float32): the window is set on lung and mediastinum, then one of three curves is applied."""
    taken, (lung, middle) = chest.acquisition, window
    t = (processed - lung) * (taken.contrast / max(middle - lung, 0.6))  # 0 lung .. 1 mediastinum
    dark, light = {"linear": (0.30, 0.78), "film": (0.22, 0.80), "flat": (0.38, 0.72)}[taken.look]
    grey = dark + taken.level + (light - dark) * np.linspace(-3, 5, 8192, dtype=np.float32)
    curve = taken.floor + _curve(grey, LUT_KNEE[taken.look], taken.gamma) * (taken.ceiling - taken.floor)
    return np.take(curve, np.clip((t + 3) * (8191 / 8), 0, 8191).astype(np.intp))


def _curve(grey, knee, gamma):
    """Grey values 0..1, with the shadows and lights beyond the knee rolled off."""
    low, high = knee
    top = 0.98 - high
    grey = np.where(grey > high, high + top * (1 - np.exp(np.minimum(high - grey, 0) / top)), grey)
    grey = np.where(grey < low, low * np.exp(np.minimum(grey - low, 0) / low), grey)
    return np.clip(grey, 0, 1) ** gamma


def _landmark(image, where, percentile, otherwise):
    values = image[where]
    if values.size <= 30:
        return otherwise
    rank = round((values.size - 1) * percentile / 100)
    return float(np.partition(values, rank)[rank])  # np.percentile takes ten times as long
