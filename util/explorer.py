"""The explorer of notebook 5: pick a film, a finding, a layer and a method; or look at its static twin."""

import os
from io import BytesIO

import numpy as np

from util.errors import CourseError
from util.gate import provenance
from util.gradcam import METHODS, upsample
from util.own_film import read_own_film
from util.plots import draw_film, draw_map, draw_outline, film_title

OWN = "own film"
LAYERS = ("relu", "pool4_relu", "pool3_relu")  # ReLUs of DenseNet, from the last one upwards


def static_twin(pretrained, film, finding, title="", mask=None, layers=LAYERS[1::-1], methods=tuple(METHODS)[:3]):
    """Figure of one film and one finding: a row for each layer, a column for each method, the film at the left.

    Parameters
    ----------
    pretrained : util.weights.Pretrained
    film : uint8 (h, w)
    finding : str, one of pretrained.findings
    title : str, above the film; mask : bool (h, w), the finding's outline, or None
    layers, methods : names of layers, and of util.gradcam.METHODS

    Returns
    -------
    matplotlib Figure. Each row has one scale, that of its Grad-CAM and HiResCAM; Grad-CAM++ has another unit and so its own.
    """
    import matplotlib.pyplot as plt

    ready, k = pretrained.preprocessing(film)[None], pretrained.findings.index(finding)
    fig, axes = plt.subplots(
        len(layers), len(methods) + 1, figsize=(2.7 * (len(methods) + 1), 2.9 * len(layers)), dpi=72,
        squeeze=False, sharex=True, sharey=True, layout="constrained",
    )  # fmt: skip
    for row, layer in zip(axes, layers, strict=True):
        cams = {name: np.maximum(METHODS[name](pretrained.model, ready, layer)[1][0, k], 0) for name in methods}
        shared = max(float(cam.max()) for name, cam in cams.items() if name != "Grad-CAM++" or len(cams) == 1)
        draw_film(row[0], film, title if row[0] is axes[0, 0] else "")
        row[0].title.set_fontsize("medium")
        for ax, (name, cam) in zip(row[1:], cams.items(), strict=True):
            highest = float(cam.max()) if name == "Grad-CAM++" else shared
            drawn = draw_map(ax, film, upsample(cam, film.shape), highest or 1)
            ax.set_title(f"{name}\n{layer}, {cam.shape[0]} x {cam.shape[1]}", fontsize="medium")
            fig.colorbar(drawn, ax=ax, shrink=0.6)
        if mask is not None:
            for ax in row:
                draw_outline(ax, mask)
        for ax in row:
            ax.label_outer()
    return fig


class Explorer:
    """What the widgets show: overlays, made when first asked for and kept in memory, never on disk.

    Parameters
    ----------
    pretrained : util.weights.Pretrained
    cohort : util.cohort.Cohort
    images : names of its films to choose from
    gate : util.gate.Gate, asked about a film of one's own
    masks : dict (image, finding) -> bool (h, w), outlines to be drawn, or None
    """

    def __init__(self, pretrained, cohort, images, gate, masks=None):
        self.pretrained, self.cohort, self.gate = pretrained, cohort, gate
        # Films of the cohort are read when asked for; a film of one's own is kept, in memory alone.
        self.films, self.masks = dict.fromkeys(images), masks or {}
        self._answers = {}

    def add_own(self, data):
        """Take a learner's own film, bytes of a PNG, JPEG or DICOM file, through the gate: (taken, sentences)."""
        film = read_own_film(data)
        verdict = self.gate(film)
        if not verdict.frontal:
            return False, verdict.sentence
        self._answers = {key: value for key, value in self._answers.items() if key[0] != OWN}
        self.films[OWN] = film
        return True, f"{verdict.sentence} {provenance(self.pretrained.passport)}"

    def film(self, name):
        """Pixels uint8 (h, w) of a film on the list."""
        if name not in self.films:
            raise CourseError(f"The film {name} is not on the explorer's list.")
        return self.cohort.read(name) if self.films[name] is None else self.films[name]

    def answer(self, name, layer, method):
        """(logits (14,), maps (14, rows, columns)) of a film, computed once."""
        key = name, layer, method
        if key not in self._answers:
            ready = self.pretrained.preprocessing(self.film(name))[None]
            logits, maps = METHODS[method](self.pretrained.model, ready, layer)
            self._answers[key] = logits[0], maps[0]
        return self._answers[key]

    def picture(self, name, finding, layer, method):
        """(PNG bytes, sentence) of one overlay; the scale is shared by all findings of the film."""
        import matplotlib.pyplot as plt

        k, film = self.pretrained.findings.index(finding), self.film(name)
        logits, maps = self.answer(name, layer, method)
        cams = np.maximum(maps, 0)
        fig, axes = plt.subplots(1, 2, figsize=(8, 4), dpi=80, layout="constrained")
        draw_film(axes[0], film, film_title(self.cohort, name) if name != OWN else name)
        drawn = draw_map(axes[1], film, upsample(cams[k], film.shape), float(cams.max()) or 1)
        axes[1].set_title(f"{method} of {finding}, logit {logits[k]:+.1f}")
        if (name, finding) in self.masks:
            draw_outline(axes[1], self.masks[name, finding])
        fig.colorbar(drawn, ax=axes[1], label="evidence, one scale for all findings of the film", shrink=0.8)
        buffer = BytesIO()
        fig.savefig(buffer, format="png")
        plt.close(fig)
        row, column = np.unravel_index(cams[k].argmax(), cams[k].shape)
        where = f"strongest in row {row + 1}, column {column + 1} of {cams.shape[1]} x {cams.shape[2]} places"
        sentence = (
            f"{method} of {finding}: {where if cams[k].max() > 0 else 'nothing speaks for it'}. Not for clinical use."
        )
        return buffer.getvalue(), sentence


def explore(explorer):
    """The widgets for an `Explorer`, or None in batch mode (COURSE_BATCH=1), where the static twin must do.

    Returns
    -------
    ipywidgets.VBox: drop-downs for film, finding, layer and method, an upload for a film of one's own, the picture
    """
    if os.environ.get("COURSE_BATCH") == "1":
        return None
    import ipywidgets as widgets

    choices = {
        "film": list(explorer.films),
        "finding": list(explorer.pretrained.findings),
        "layer": [name for name in LAYERS if name in {layer.name for layer in explorer.pretrained.model.layers}],
        "method": list(METHODS),
    }
    menus = {name: widgets.Dropdown(options=options, description=name) for name, options in choices.items()}
    upload = widgets.FileUpload(accept=".png,.jpg,.jpeg,.dcm", multiple=False, description="own film")
    picture, text = widgets.Image(format="png"), widgets.HTML()

    def draw(_=None):
        text.value = "Computing ..."
        try:
            picture.value, text.value = explorer.picture(*(menus[name].value for name in choices))
        except CourseError as error:
            text.value = str(error)

    def take(change):
        try:
            taken, said = explorer.add_own(bytes(change["new"][0]["content"]))
        except CourseError as error:
            taken, said = False, str(error)
        if taken:
            menus["film"].options = list(explorer.films)
            menus["film"].value = OWN
            draw()
        text.value = f"{said} {text.value}" if taken else said

    for menu in menus.values():
        menu.observe(draw, names="value")
    upload.observe(take, names="value")
    draw()
    return widgets.VBox([widgets.HBox(list(menus.values())), upload, text, picture])
