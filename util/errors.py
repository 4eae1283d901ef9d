"""The one error the course raises on purpose."""


class CourseError(ValueError):
    """Something a user can put right: one sentence that says what is wrong, where, and what to do."""
