"""What a training leaves behind: weights, their passport with a film that proves them, and the curve of its log."""

import pandas as pd

from util.data.cohort import PHANTOM
from util.data.images import read_film
from util.findings import FINDINGS
from util.models.passport import Passport
from util.models.predict import predict_films
from util.models.weights import Pretrained, release_arrays


def write_release(file, arrays, preprocessing, image, **entries):
    """Write weights and, beside them, their passport.

    Parameters
    ----------
    file : Path of the weights, .safetensors
    arrays : dict of arrays by Keras path
    preprocessing : Preprocessing of the network
    image : str, a film of the embedded cohort, whose logits go into the passport
    entries : further entries of the Passport

    Returns
    -------
    Pretrained : model and passport
    """
    model, sha256 = release_arrays(arrays, preprocessing.size, file)
    logits = predict_films(model, preprocessing(read_film(PHANTOM / "films" / image))[None])[0]
    known = {"image": image, "logits": [round(float(value), 5) for value in logits]}
    passport = Passport(
        sha256=sha256, bytes=file.stat().st_size, preprocessing=preprocessing, known_film=known, **entries
    )
    passport.write(file.with_suffix(".json"))
    return Pretrained(model, FINDINGS, preprocessing, passport.entries())


def draw_curve(log, file, places):
    """Draw the log of a training: losses against films seen, each as a share of its first value, and held-out AUC.

    log : Path of log.csv; file : Path of the SVG; places : pixels of the film behind a place of each map
    """
    import matplotlib.pyplot as plt

    log = pd.read_csv(log)
    seen = log["films"].cumsum() / 1000
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    names = {"logits": "findings", "further": "view, sex, age"}
    names |= {f"places_{pixels}": f"places of {pixels} pixels" for pixels in places}
    for (column, label), style in zip(names.items(), ("-", (0, (1, 3)), "--", "-.", ":"), strict=True):
        loss = log[f"loss_{column}"]
        left.plot(seen, loss / loss.iloc[0], linestyle=style, label=label)
    left.legend(fontsize="small")
    right.plot(seen, log["held_out_auc"], "o-")
    for axes, label in ((left, "Loss / its first value"), (right, "Mean AUC on held-out films")):
        axes.set(xlabel="Thousand simulated films seen", ylabel=label)
        for start in seen[log["size"].diff().shift(-1).fillna(0) != 0]:
            axes.axvline(start, color="0.7", linewidth=1)
    with plt.rc_context({"svg.hashsalt": "curve"}):  # same log, same file
        fig.savefig(file, metadata={"Date": None})
    plt.close(fig)
