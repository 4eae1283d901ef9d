"""The shared package of the course: each module mirrors what a notebook teaches."""
