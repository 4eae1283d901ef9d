"""TensorFlow imported in silence: some builds write notes to standard error that no setting turns off."""

import importlib.util
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notes on its build are no news to a learner


class _QuietImport:
    """Imports TensorFlow with standard error closed: some builds write notes there that no setting turns off.

    What goes wrong is raised all the same. (The one setting that helps, TF_ENABLE_ONEDNN_OPTS=0, costs a third of the
    speed.)
    """

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: _silently(run, module)
        return spec


def _silently(run, module):
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        run(module)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def install():
    """Put the quiet import in place, once."""
    if not any(isinstance(finder, _QuietImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietImport())
