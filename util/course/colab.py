"""Run on Google Colab with what is there, adding only what is missing."""

import importlib.util
import subprocess
import sys

from util.errors import CourseError

# Packages of pyproject.toml whose import name differs from the package's name.
IMPORT_NAMES = {
    "ipython": "IPython",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
}
NOT_IN_NOTEBOOKS = {"jupyterlab", "nbclient", "nbconvert", "nbformat", "tensorflow-cpu"}


def missing_packages(dependencies):
    """The requirements, of a list of requirement strings, whose module is not installed here."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in dependencies]
    return [
        f"{item.name}{item.specifier}"
        for item in wanted
        if item.name not in NOT_IN_NOTEBOOKS
        and (item.marker is None or item.marker.evaluate() or item.name == "tensorflow")
        and importlib.util.find_spec(IMPORT_NAMES.get(item.name, item.name)) is None
    ]


def install_missing():
    """On Colab, install the packages that the notebooks need and Colab lacks; elsewhere do nothing.

    Exact versions are not forced: Colab's own TensorFlow and NumPy must stay as they are.
    """
    if "google.colab" not in sys.modules:
        return
    import tomllib

    from util.data.cohort import HOME

    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    missing = missing_packages(project["dependencies"])
    if missing:
        try:
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
        except subprocess.CalledProcessError:
            raise CourseError(
                f"{', '.join(missing)} could not be installed: read what pip says above, and run this cell again."
            ) from None
