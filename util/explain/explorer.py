"""The explorer of lesson 9: pick a film, a finding, a layer and a method; or look at its static twin."""

import base64
from io import BytesIO
from threading import Thread

import numpy as np
from PIL import Image

from util import settings
from util.data.own_film import read_own_film
from util.errors import CourseError
from util.explain.heat_maps import METHODS, upsample
from util.markup import as_html, picture_html
from util.models.input_gate import provenance
from util.plots import DPI, PAGE_DPI, draw_film, draw_map, draw_outline, film_title

OWN = "own film"
SLOW = "occlusion", "gradient x input"  # many passes through the network for one answer
LAYERS = ("relu", "pool4_relu", "pool3_relu")  # ReLUs of DenseNet, from the last one up


def static_twin(pretrained, film, finding, title="", mask=None, layers=LAYERS[1::-1]):
    """Figure of one film and one finding: a row for each layer, a column for each method.

    Parameters
    ----------
    pretrained : util.models.weights.Pretrained
    film : uint8 (h, w)
    finding : str, one of pretrained.findings
    title : str, above the film
    mask : bool (h, w), the finding's outline, or None
    layers : names of layers

    Returns
    -------
    matplotlib Figure. Each row has one scale, that of its Grad-CAM and HiResCAM; Grad-CAM++ has a different unit and so
    a scale of its own.

    See Also
    --------
    Explorer : the same with menus
    util.explain.heat_maps.grad_cam : the first column

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> static_twin(load_pretrained("phantom"), film, "Effusion").savefig("maps.png")  # doctest: +SKIP

    Taught in lesson 9.
    """
    import matplotlib.pyplot as plt

    methods = tuple(METHODS)[:3]
    ready, k = pretrained.preprocessing(film)[None], pretrained.findings.index(finding)
    size = 2.5 * len(methods), 2.5 * len(layers) + 0.4
    fig, axes = plt.subplots(len(layers), len(methods), figsize=size, squeeze=False, layout="constrained")
    for row, layer in zip(axes, layers, strict=True):
        cams = {name: np.maximum(METHODS[name](pretrained.model, ready, layer)[1][0, k], 0) for name in methods}
        shared = max(float(cam.max()) for name, cam in cams.items() if name != "Grad-CAM++" or len(cams) == 1)
        for ax, (name, cam) in zip(row, cams.items(), strict=True):
            highest = float(cam.max()) if name == "Grad-CAM++" else shared
            drawn = draw_map(ax, film, upsample(cam, film.shape), highest or 1)
            ax.set_title(f"{name}\n{layer}, {cam.shape[0]} x {cam.shape[1]}")
            fig.colorbar(drawn, ax=ax, shrink=0.6)
            if mask is not None:
                draw_outline(ax, mask)
    fig.suptitle(title, parse_math=False)
    return fig


class Explorer:
    """What the widgets show: overlays, computed when first needed and kept in memory, never on disk.

    Parameters
    ----------
    pretrained : util.models.weights.Pretrained
    cohort : util.data.cohort.Cohort
    images : names of its films to choose from
    gate : util.models.input_gate.Gate, which checks a film of the learner's own
    masks : dict (image, finding) -> bool (h, w), outlines to draw, or None

    See Also
    --------
    explore : shows it
    static_twin : one figure, without widgets

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> explorer = Explorer(pretrained, cohort, images, fit_gate(films))  # doctest: +SKIP
    >>> png, words = explorer.picture(images[0], "Effusion", "relu", "Grad-CAM")  # doctest: +SKIP

    Taught in lesson 9.
    """

    def __init__(self, pretrained, cohort, images, gate, masks=None):
        self.pretrained, self.cohort, self.gate = pretrained, cohort, gate
        # Films of the cohort are read when needed; a film of the learner's own is kept in memory only.
        self.films, self.masks = dict.fromkeys(images), masks or {}
        self.said = ""  # what the gate and the passport say about the learner's own film
        self._answers = {}
        known = cohort.films if cohort.truth is None else cohort.truth
        self._known = known[known["Image"].isin(self.films)].set_index("Image")

    def add_own(self, data):
        """Pass a learner's own film, bytes of a PNG, JPEG or DICOM file, through the gate: (taken, sentences).

        An earlier film is forgotten, whether this one is taken or not, so that picture and words always belong to the
        same film.
        """
        self.forget_own()
        film = read_own_film(data)
        verdict = self.gate(film)
        if not verdict.frontal:
            return False, verdict.sentence
        self.films[OWN], self.said = film, f"{verdict.sentence} {provenance(self.pretrained.passport)}"
        return True, self.said

    def forget_own(self):
        """Forget the learner's own film and everything computed from it."""
        self.films.pop(OWN, None)
        self._answers = {key: value for key, value in self._answers.items() if key[0] != OWN}
        self.said = ""

    def findings_of(self, name):
        """Names of the findings of a film in the cohort, by the truth if it is known, else by its labels: a list."""
        if name not in self._known.index:
            return []
        row = self._known.loc[name]
        return [finding for finding in self.pretrained.findings if finding in row and row[finding] == 1]

    def film(self, name):
        """Pixels uint8 (h, w) of a film on the list."""
        if name not in self.films:
            raise CourseError(f"The film {name} is not on the explorer's list.")
        return self.cohort.read(name) if self.films[name] is None else self.films[name]

    def answer(self, name, layer, method, watch=None):
        """(logits (14,), maps (14, rows, columns)) of a film, computed once; `watch` as for util.explain.heat_maps.occlusion."""
        key = name, layer, method
        if key not in self._answers:
            film = self.film(name)
            more = {} if watch is None else {"watch": watch}
            logits, maps = METHODS[method](
                self.pretrained.model, self.pretrained.preprocessing(film)[None], layer, **more
            )
            if self.film(name) is not film and name == OWN:
                raise CourseError("The film was replaced while its map was computed.")
            self._answers[key] = logits[0], maps[0]
        return self._answers[key]

    def is_slow(self, name, layer, method):
        """Whether an answer needs many passes through the network that were not made yet."""
        return method in SLOW and (name, layer, method) not in self._answers

    def picture(self, name, finding, layer, method):
        """(PNG bytes, sentences) of one overlay; all findings of the film share one scale.

        For a learner's own film, the sentences begin with what the gate and the passport say about it.
        """
        from matplotlib.figure import Figure  # not pyplot, which is not made for threads beside the kernel's own

        k, film = self.pretrained.findings.index(finding), self.film(name)
        logits, maps = self.answer(name, layer, method)
        cams = np.maximum(maps, 0)
        fig = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = fig.subplots(1, 2)
        draw_film(axes[0], film, film_title(self.cohort, name) if name != OWN else name)
        drawn = draw_map(axes[1], film, upsample(cams[k], film.shape), float(cams.max()) or 1)
        axes[1].set_title(f"{method}\n{finding}, logit {logits[k]:+.1f}")
        if (name, finding) in self.masks:
            draw_outline(axes[1], self.masks[name, finding])
        fig.colorbar(drawn, ax=axes[1], label="own unit" if method == "Grad-CAM++" else "logit", shrink=0.8)
        buffer = BytesIO()
        fig.savefig(buffer, format="png")
        row, column = np.unravel_index(cams[k].argmax(), cams[k].shape)
        where = f"strongest in row {row + 1}, column {column + 1} of {cams.shape[1]} x {cams.shape[2]} cells"
        sentence = (
            f"{method} of {finding}: {where if cams[k].max() > 0 else 'nothing speaks for it'}. "
            "All findings of a film have one scale. Not for clinical use."
        )
        return buffer.getvalue(), f"{self.said} {sentence}" if name == OWN else sentence


def explore(explorer):
    """The widgets for an `Explorer`, or None in batch mode (COURSE_BATCH=1), where the static twin replaces them.

    Returns
    -------
    ipywidgets.VBox: menus for film, finding, layer and method, an upload button for a film of your own, text, picture

    See Also
    --------
    Explorer : what the widgets show
    static_twin : what is shown in batch mode

    Examples
    --------
    Not run by the tests, since it needs Keras and a trained network.

    >>> explore(Explorer(pretrained, cohort, images, gate))  # doctest: +SKIP

    Taught in lesson 9.
    """
    return None if settings.batch() else _Panel(explorer).box


class _Stopped(Exception):
    """A slow picture is not wanted any more."""


class _Panel:
    """The widgets, and what happens when they change."""

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
        self.bar, self.cancel = widgets.IntProgress(description="Progress"), widgets.Button(description="Cancel")
        self.wait = widgets.HBox([self.bar, self.cancel], layout=widgets.Layout(display="none"))
        self.worker, self.job = None, 0  # the thread of a slow picture, and the number of the picture asked for last
        wrapped = widgets.Layout(flex_flow="row wrap")
        menus = widgets.HBox(list(self.menus.values()), layout=wrapped)
        self.box = widgets.VBox([menus, self.upload, self.wait, self.text, self.picture])
        self._to_a_finding()
        for name, menu in self.menus.items():
            menu.observe(self._film_changed if name == "film" else self._draw, names="value")
        self.upload.observe(self._take, names="value")
        self.cancel.on_click(self._cancelled)
        self._draw()

    def _films(self):
        """Options of the menu of films: (name and findings, name)."""
        return [(", ".join([name, *self.explorer.findings_of(name)]), name) for name in self.explorer.films]

    def _to_a_finding(self):
        """Unless the film has the chosen finding, choose one that it has, preferably one with an outline."""
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
        self._stop()
        chosen = [menu.value for menu in self.menus.values()]
        film, _, layer, method = chosen
        self._show(None, f"Computing {method} ...")
        if self.explorer.is_slow(film, layer, method):
            self.bar.value, self.wait.layout.display = 0, ""
            self.worker = Thread(target=self._compute_slowly, args=(self.job, chosen), daemon=True)
            self.worker.start()  # beside the kernel's own thread, which hears the button and the menus meanwhile
        else:
            self._compute(chosen)

    def _compute(self, chosen):
        try:
            png, said = self.explorer.picture(*chosen)
        except CourseError as error:
            self._show(None, str(error))
        else:
            self._show(png, said)

    def _compute_slowly(self, job, chosen):
        """Compute an answer with a bar; a picture asked for later, or the button, ends it at its next batch."""

        def watch(done, of):
            if job != self.job:
                raise _Stopped
            self.bar.max, self.bar.value = of, done

        film, _, layer, method = chosen
        try:
            self.explorer.answer(film, layer, method, watch)
        except (_Stopped, CourseError):
            return
        if job == self.job:
            self.wait.layout.display = "none"
            self._compute(chosen)

    def _stop(self):
        """No picture that is still being computed is wanted any more."""
        self.job += 1
        self.wait.layout.display = "none"

    def _cancelled(self, _):
        self._stop()
        self._show(None, "Canceled. Choose another layer or method.")

    def _take(self, change):
        if not change["new"]:
            return
        self._stop()
        try:
            taken, said = self.explorer.add_own(bytes(change["new"][0]["content"]))
        except CourseError as error:
            taken, said = False, str(error)
        self.quiet = True
        self.menus["film"].options = self._films()
        self.menus["film"].value = OWN if taken else None
        self.upload.value = ()  # its bytes are not kept, and the same file can be chosen again
        self.quiet = False
        if taken:
            self._draw()
        else:
            self._show(None, said)

    def _say(self, sentences):
        self.text.value = f'<div role="status">{as_html(sentences)}</div>'

    def _show(self, png, sentences):
        """Show words and picture, with the words as its alternative text; None for no picture."""
        self._say(sentences)
        width = 0 if png is None else round(Image.open(BytesIO(png)).width * PAGE_DPI / DPI)
        self.picture.value = "" if png is None else picture_html(base64.b64encode(png).decode(), sentences, width)
