"""Who draws a finding, and in which turn: painters enter themselves here, each beside its code."""

PAINTERS = {}  # finding: (turn, painter)


def painter(finding, turn):
    """Decorate a function (chest, lesion) -> bool mask as the painter of a finding.

    turn : float, the order of drawing: first what fills the lung (0 to 4), then what replaces it, then pleura and heart
    """

    def enter(function):
        PAINTERS[finding] = turn, function
        return function

    return enter


def in_turn():
    """Painters by finding, in the order of drawing."""
    return {finding: function for finding, (_, function) in sorted(PAINTERS.items(), key=lambda item: item[1][0])}
