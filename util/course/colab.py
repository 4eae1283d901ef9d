"""Run on Google Colab with what is there, adding only what is missing."""

import importlib.metadata
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
KEPT = {"tensorflow", "keras", "numpy", "ipython", "ipywidgets"}  # Colab's own, which its pages and its GPU build on
NOT_IN_NOTEBOOKS = {"jupyterlab", "nbclient", "nbconvert", "nbformat", "tensorflow-cpu"}


def missing_packages(dependencies):
    """The requirements, of a list of requirement strings, that are not installed here, or too old and not in use yet."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in dependencies]
    return [
        f"{item.name}{item.specifier}"
        for item in wanted
        if item.name not in NOT_IN_NOTEBOOKS
        and (item.marker is None or item.marker.evaluate() or item.name == "tensorflow")
        and _lacks(item)
    ]


def _lacks(item):
    """Whether a requirement is to be installed. What the kernel has loaded stays: another version would need a restart."""
    module = IMPORT_NAMES.get(item.name, item.name)
    if importlib.util.find_spec(module) is None:
        return True
    if item.name in KEPT or module in sys.modules:
        return False
    try:
        return not item.specifier.contains(importlib.metadata.version(item.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:  # tensorflow, as tensorflow-cpu say
        return False


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
