"""Foreign text and pictures as HTML: text is escaped at this one place, pictures carry their alt text."""

import html


def as_html(text):
    """Text for a page: whatever it comes from (a file, a name, an error), it is shown as text and is never markup."""
    return html.escape(str(text), quote=True)


def as_line(text):
    """Text for one line of a screen: signs that cannot be printed, such as line ends in the name of a file, are escaped.

    Examples
    --------
    >>> print(as_line("a\\nb\\x1b[31m.png"))
    a\\nb\\x1b[31m.png
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(text))


def picture_html(picture, alt, width=None):
    """A picture as an HTML image with its alt text, which JupyterLab and Sphinx would not show from the metadata.

    picture : str, PNG or JPEG in base64, as it is in a notebook; alt : str
    width : int, its pixels on a page, or None for its own
    """
    size = f' width="{width}" style="max-width: 100%; height: auto"' if width else ""
    data = "".join(picture.split())
    return f'<img alt="{as_html(alt)}"{size} src="data:{kind_of(data)};base64,{data}">'


def kind_of(picture):
    """The MIME type of a PNG or JPEG in base64, by its first bytes."""
    return "image/jpeg" if picture.startswith("/9j/") else "image/png"


def picture_of(output):
    """The picture of a notebook's output in base64, and what is known about it; (None, {}) where there is none."""
    for kind in ("image/png", "image/jpeg"):
        if kind in output.get("data", {}):
            return output["data"][kind], output.get("metadata", {}).get(kind, {})
    return None, {}


def with_alt(output):
    """An output of a notebook whose picture has become HTML with its alt text; other outputs as they are."""
    picture, about = picture_of(output)
    if picture:
        page = picture_html(picture, about.get("alt", ""), about.get("width"))
        output.data, output.metadata = {"text/html": page}, {}
    return output
