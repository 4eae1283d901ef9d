"""The shared package of the course: each module mirrors what a notebook teaches."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notes on its build are no news to a learner
