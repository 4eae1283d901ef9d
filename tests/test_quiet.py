"""Importing TensorFlow through the course writes nothing beside the learner's own output."""

import subprocess
import sys

from util.data.cohort import HOME


def test_tensorflow_is_imported_silently_and_errors_are_not_hidden():
    code = "import sys, util, tensorflow; print(tensorflow.__name__); print('seen', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("tensorflow\n", "seen\n")


def test_a_broken_tensorflow_says_so(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('broken build')", encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import util, tensorflow"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: broken build" in done.stderr
