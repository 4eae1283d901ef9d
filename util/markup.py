"""Foreign text and pictures as HTML: text is escaped at this one place, pictures carry their alt text."""

import html


def as_html(text):
    """Text for a page: whatever it comes from (a file, a name, an error), it is shown as text and is never markup."""
    return html.escape(str(text), quote=True)


def picture_html(png, alt):
    """A picture as an HTML image with its alt text, which JupyterLab and Sphinx would not show from the metadata.

    png : str, base64, as it stands in a notebook; alt : str
    """
    return f'<img alt="{as_html(alt)}" src="data:image/png;base64,{"".join(png.split())}">'


def with_alt(output):
    """An output of a notebook whose PNG picture has become HTML with its alt text; other outputs as they are."""
    data = output.get("data", {})
    if "image/png" in data:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        output.data, output.metadata = {"text/html": picture_html(data["image/png"], alt)}, {}
    return output
