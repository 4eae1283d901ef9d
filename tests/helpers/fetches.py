"""What a page asks of the network."""

import re
from html.parser import HTMLParser


class Fetches(HTMLParser):
    """What a browser would fetch when it shows a page, and the links a reader can follow."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.links, self.alts, self.tags = [], [], [], []
        self.feed(text)
        css = "".join(re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL))
        self.fetched += re.findall(r"@import[^;]+|url\(\s*[\"']?(?:https?:)?//[^)]+", css)
        scripts = "".join(re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL))
        self.fetched += re.findall(r"https?://\S+|import\s*\([^)]*", scripts)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        if tag == "a":
            self.links.append(attributes.get("href", ""))
        elif tag == "link":
            self.fetched.append(attributes.get("href"))
        for name in ("src", "srcset", "data", "poster", "xlink:href"):
            if name in attributes and not (attributes[name] or "").startswith("data:"):
                self.fetched.append(f"{tag} {name}={attributes[name]}")
        if tag == "img":
            self.alts.append(attributes.get("alt"))
