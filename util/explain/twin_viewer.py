"""A slider over twins: choose what is changed and how much, and watch film, twin and difference. Lesson 12."""

import numpy as np

from util import settings
from util.findings import FINDINGS
from util.markup import as_html, picture_html
from util.phantom.twins import twins
from util.plots import DPI, PAGE_DPI, draw_film, draw_outline, draw_signed

LIMIT = 80  # gray levels at the ends of the scale of a difference
MENU = {"AP view alone": {"view": "AP"}, "bedside film": {"bedside": True}, "chest tube": {"chest_tube": True}}


def draw_twins(pair, titles=("film", "twin", "difference")):
    """Figure of a pair of twins: both films, and the twin minus the film in gray levels, with the outline of a finding.

    Parameters
    ----------
    pair : util.phantom.twins.Twins
    titles : three str

    Returns
    -------
    matplotlib Figure

    See Also
    --------
    twin_slider : the same with a slider

    Examples
    --------
    Not run by the tests, since the figure is for looking at.

    >>> draw_twins(twins(Patient(3, seed=24), {"Mass": 0.7})).savefig("twins.png")  # doctest: +SKIP

    Taught in lesson 12, section 1.
    """
    from matplotlib.figure import Figure

    fig = Figure(figsize=(6.8, 2.6), dpi=DPI, layout="constrained")
    axes = fig.subplots(1, 3)
    for ax, film, title in zip(axes, (pair.film, pair.twin), titles, strict=False):
        draw_film(ax, film.pixels, title)
    drawn = draw_signed(axes[2], pair.difference, LIMIT)
    axes[2].set(xticks=[], yticks=[], xlabel="", ylabel="", title=titles[2])
    if pair.outline.any():
        draw_outline(axes[2], pair.outline)
    fig.colorbar(drawn, ax=axes[2], label="gray levels", shrink=0.75)
    return fig


class Viewer:
    """What the widgets show: a pair of twins in words and in a picture.

    Parameters
    ----------
    patient : util.phantom.twins.Patient
    pretrained : util.models.weights.Pretrained, or None to leave the logits out

    See Also
    --------
    twin_slider : shows it

    Examples
    --------
    >>> from util.phantom.twins import Patient
    >>> Viewer(Patient(3, seed=24), size=96).pair("Mass", 0.7).change
    {'Mass': 0.7}

    Taught in lesson 12, section 1.
    """

    def __init__(self, patient, pretrained=None, size=320):
        self.patient, self.pretrained, self.size = patient, pretrained, size

    def pair(self, what, severity):
        """The twins for a name of the menu: a finding at a severity, or one of MENU, for which the severity says nothing."""
        return twins(self.patient, MENU.get(what) or {what: severity}, size=self.size)

    def picture(self, what, severity):
        """(figure, sentence) for a name of the menu and a severity."""
        pair = self.pair(what, severity)
        said = f"{what}{'' if what in MENU else f' at severity {severity:.2f}'}, one simulated patient."
        if self.pretrained is not None:
            from util.models.predict import predict_films

            ready = [self.pretrained.preprocessing(film.pixels) for film in (pair.film, pair.twin)]
            change = predict_films(self.pretrained.model, np.stack(ready))
            k = abs(change[1] - change[0]).argmax()
            said += f" Largest change of a logit: {FINDINGS[k]}, from {change[0, k]:+.1f} to {change[1, k]:+.1f}."
        return draw_twins(pair), said


def twin_slider(viewer):
    """Menu and slider for a `Viewer`, or None in batch mode (COURSE_BATCH=1), where a static pair replaces them.

    Returns
    -------
    ipywidgets.VBox

    See Also
    --------
    draw_twins : what is shown in batch mode

    Examples
    --------
    Not run by the tests, since it needs a notebook.

    >>> twin_slider(Viewer(patient))  # doctest: +SKIP

    Taught in lesson 12, section 1.
    """
    if settings.batch():
        return None
    import base64
    from io import BytesIO

    import ipywidgets as widgets

    menu = widgets.Dropdown(options=[*FINDINGS, *MENU], value="Effusion", description="change")
    slider = widgets.FloatSlider(0.6, min=0.05, max=1, step=0.05, description="severity", continuous_update=False)
    text, place = widgets.HTML(), widgets.HTML()

    def draw(_=None):
        fig, said = viewer.picture(menu.value, slider.value)
        buffer = BytesIO()
        fig.savefig(buffer, format="png")
        width = round(fig.get_figwidth() * PAGE_DPI)
        text.value = f'<div role="status">{as_html(said)}</div>'
        place.value = picture_html(base64.b64encode(buffer.getvalue()).decode(), said, width)
        slider.disabled = menu.value in MENU

    for widget in (menu, slider):
        widget.observe(draw, names="value")
    draw()
    return widgets.VBox([widgets.HBox([menu, slider], layout=widgets.Layout(flex_flow="row wrap")), text, place])
