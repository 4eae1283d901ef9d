"""The explorer of notebook 5: pick a film, a finding, a layer and a method; or look at its static twin."""

import base64
from io import BytesIO

import numpy as np

from util import settings
from util.data.own_film import read_own_film
from util.errors import CourseError
from util.explain.heat_maps import METHODS, upsample
from util.markup import as_html
from util.models.input_gate import provenance
from util.plots import draw_film, draw_map, draw_outline, film_title

OWN = "own film"
LAYERS = ("relu", "pool4_relu", "pool3_relu")  # ReLUs of DenseNet, from the last one upwards


def static_twin(pretrained, film, finding, title="", mask=None, layers=LAYERS[1::-1], methods=tuple(METHODS)[:3]):
    """Figure of one film and one finding: a row for each layer, a column for each method, the film at the left.

    Parameters
    ----------
    pretrained : util.models.weights.Pretrained
    film : uint8 (h, w)
    finding : str, one of pretrained.findings
    title : str, above the film; mask : bool (h, w), the finding's outline, or None
    layers, methods : names of layers, and of util.explain.heat_maps.METHODS

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
    pretrained : util.models.weights.Pretrained
    cohort : util.data.cohort.Cohort
    images : names of its films to choose from
    gate : util.models.input_gate.Gate, asked about a film of one's own
    masks : dict (image, finding) -> bool (h, w), outlines to be drawn, or None
    """

    def __init__(self, pretrained, cohort, images, gate, masks=None):
        self.pretrained, self.cohort, self.gate = pretrained, cohort, gate
        # Films of the cohort are read when asked for; a film of one's own is kept, in memory alone.
        self.films, self.masks = dict.fromkeys(images), masks or {}
        self.said = ""  # what the gate and the passport say of the film of one's own
        self._answers = {}
        known = cohort.films if cohort.truth is None else cohort.truth
        self._known = known[known["Image"].isin(self.films)].set_index("Image")

    def add_own(self, data):
        """Take a learner's own film, bytes of a PNG, JPEG or DICOM file, through the gate: (taken, sentences).

        A film taken before is forgotten, whether this one is taken or not: no picture of it may stand beside words
        that are about another.
        """
        self.forget_own()
        film = read_own_film(data)
        verdict = self.gate(film)
        if not verdict.frontal:
            return False, verdict.sentence
        self.films[OWN], self.said = film, f"{verdict.sentence} {provenance(self.pretrained.passport)}"
        return True, self.said

    def forget_own(self):
        """Forget the film of one's own and all that was computed from it."""
        self.films.pop(OWN, None)
        self._answers = {key: value for key, value in self._answers.items() if key[0] != OWN}
        self.said = ""

    def findings_of(self, name):
        """Findings that a film of the cohort has (by the truth where it is known, else by its labels), list of names."""
        if name not in self._known.index:
            return []
        row = self._known.loc[name]
        return [finding for finding in self.pretrained.findings if finding in row and row[finding] == 1]

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
        """(PNG bytes, sentences) of one overlay; the scale is shared by all findings of the film.

        With a film of one's own, the sentences begin with what the gate and the passport say of it.
        """
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
        fig.colorbar(drawn, ax=axes[1], label="evidence (one scale for all findings)", shrink=0.8)
        buffer = BytesIO()
        fig.savefig(buffer, format="png")
        plt.close(fig)
        row, column = np.unravel_index(cams[k].argmax(), cams[k].shape)
        where = f"strongest in row {row + 1}, column {column + 1} of {cams.shape[1]} x {cams.shape[2]} cells"
        sentence = (
            f"{method} of {finding}: {where if cams[k].max() > 0 else 'nothing speaks for it'}. Not for clinical use."
        )
        return buffer.getvalue(), f"{self.said} {sentence}" if name == OWN else sentence


def explore(explorer):
    """The widgets for an `Explorer`, or None in batch mode (COURSE_BATCH=1), where the static twin must do.

    Returns
    -------
    ipywidgets.VBox: drop-downs for film, finding, layer and method, an upload for a film of one's own, words, picture
    """
    return None if settings.batch() else _Panel(explorer).box


class _Panel:
    """The widgets and what they do when they are changed."""

    def __init__(self, explorer):
        import ipywidgets as widgets

        self.explorer, self.quiet = explorer, False
        layers = {layer.name for layer in explorer.pretrained.model.layers}
        choices = {
            "film": self._films(),
            "finding": list(explorer.pretrained.findings),
            "layer": [name for name in LAYERS if name in layers],
            "method": list(METHODS),
        }
        self.menus = {name: widgets.Dropdown(options=options, description=name) for name, options in choices.items()}
        self.upload = widgets.FileUpload(accept=".png,.jpg,.jpeg,.dcm", multiple=False, description=OWN)
        self.text, self.picture = widgets.HTML(), widgets.HTML()
        wrapped = widgets.Layout(flex_flow="row wrap")
        menus = widgets.HBox(list(self.menus.values()), layout=wrapped)
        self.box = widgets.VBox([menus, self.upload, self.text, self.picture])
        self._to_a_finding()
        for name, menu in self.menus.items():
            menu.observe(self._film_changed if name == "film" else self._draw, names="value")
        self.upload.observe(self._take, names="value")
        self._draw()

    def _films(self):
        """Options of the menu of films: (name and findings, name)."""
        return [(", ".join([name, *self.explorer.findings_of(name)]), name) for name in self.explorer.films]

    def _to_a_finding(self):
        """Choose a finding that the chosen film has, one with an outline first, where the chosen one is none."""
        film, menu = self.menus["film"].value, self.menus["finding"]
        known = [finding for name, finding in self.explorer.masks if name == film] + self.explorer.findings_of(film)
        if known and menu.value not in known:
            menu.value = known[0]

    def _film_changed(self, _):
        if not self.quiet:
            self.quiet = True
            self._to_a_finding()
            self.quiet = False
            self._draw()

    def _draw(self, _=None):
        if self.quiet or self.menus["film"].value is None:
            return
        chosen = [menu.value for menu in self.menus.values()]
        self._say(f"Computing {chosen[3]} ...")
        try:
            png, said = self.explorer.picture(*chosen)
        except CourseError as error:
            self._show(None, str(error))
        else:
            self._show(png, said)

    def _take(self, change):
        if not change["new"]:
            return
        try:
            taken, said = self.explorer.add_own(bytes(change["new"][0]["content"]))
        except CourseError as error:
            taken, said = False, str(error)
        self.quiet = True
        self.menus["film"].options = self._films()
        self.menus["film"].value = OWN if taken else None
        self.upload.value = ()  # its bytes are not kept, and the same file may be chosen again
        self.quiet = False
        if taken:
            self._draw()
        else:
            self._show(None, said)

    def _say(self, sentences):
        self.text.value = f'<div role="status">{as_html(sentences)}</div>'

    def _show(self, png, sentences):
        """Words and picture together, the words as its text for those who cannot see it; None for no picture."""
        self._say(sentences)
        data = "" if png is None else base64.b64encode(png).decode()
        style = 'style="max-width: 100%; height: auto"'
        self.picture.value = data and f'<img alt="{as_html(sentences)}" {style} src="data:image/png;base64,{data}">'
