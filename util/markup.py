"""Foreign text and pictures as HTML: text is escaped at this one place, pictures carry their alt text."""

import html


def as_html(text):
    """Text for a page: whatever it comes from (a file, a name, an error), it is shown as text and is never markup."""
    return html.escape(str(text), quote=True)


def picture_html(png, alt, width=None):
    """A picture as an HTML image with its alt text, which JupyterLab and Sphinx would not show from the metadata.

    png : str, base64, as it is in a notebook; alt : str; width : int, its pixels on a page, or None for its own
    """
    size = f' width="{width}" style="max-width: 100%; height: auto"' if width else ""
    return f'<img alt="{as_html(alt)}"{size} src="data:image/png;base64,{"".join(png.split())}">'


def with_alt(output):
    """An output of a notebook whose PNG picture has become HTML with its alt text; other outputs as they are."""
    data = output.get("data", {})
    if "image/png" in data:
        about = output.metadata.get("image/png", {})
        page = picture_html(data["image/png"], about.get("alt", ""), about.get("width"))
        output.data, output.metadata = {"text/html": page}, {}
    return output
