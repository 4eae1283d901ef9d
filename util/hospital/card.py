"""The model card of an audited model: one page from a report, as Markdown and as HTML to print.

What a report says is foreign text: it is shown as text and is never markup, in either form.
"""

import re
from pathlib import Path

from util.files import write_text
from util.hospital.claims import CLAIMS
from util.hospital.report import is_number
from util.markup import as_html

STYLE = """
@page { size: A4; margin: 14mm; }
body { font: 9.5pt/1.35 "DejaVu Sans", Arial, sans-serif; color: #111; max-width: 182mm; margin: 0 auto; }
h1 { font-size: 15pt; margin: 0 0 1mm; } h2 { font-size: 11pt; margin: 4mm 0 1mm; break-after: avoid; }
p { margin: 1mm 0; } ul { margin: 1mm 0; padding-left: 5mm; }
table { border-collapse: collapse; width: 100%; font-size: 8.5pt; }
th, td { border-bottom: 1px solid #999; padding: 0.8mm 1.5mm; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
tr { break-inside: avoid; }
th:nth-child(2), td:nth-child(2) { white-space: nowrap; }
.fails { font-weight: bold; }
"""
HEADS = ("claim", "verdict", "estimate (95 % interval)", "evidence", "what to do")
OPEN = "not answered"
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&$!])")  # signs that Markdown, HTML or MathJax may read; a backslash stops it


def card_markdown(report: dict, sentences: dict[str, str] | None = None) -> str:
    """The model card as Markdown.

    Parameters
    ----------
    report : dict, as `read_report` gives it; answers that are missing or nonsense are shown as not answered
    sentences : dict key of a claim -> str, what the vendor claims, or None: then the faults name the claims

    Returns
    -------
    str, without a newline at its end

    See Also
    --------
    card_html : the same as a page to print
    util.clinic.card.model_card : the card of lesson 14

    Examples
    --------
    >>> from util.hospital.report import new_report
    >>> print(card_markdown(new_report("ada", "5f3c")).splitlines()[0])
    # Model card after an audit

    Taught in lesson 15, section 8.
    """
    lines = ["# Model card after an audit", "", "Not for clinical use. Films, patients and claims are simulated.", ""]
    lines += [" ".join(map(_escaped, _about(report))), "", _summary(report), ""]
    lines += ["| " + " | ".join(HEADS) + " |", "|---" * len(HEADS) + "|"]
    lines += ["| " + " | ".join(map(_escaped, cells)) + " |" for cells in _rows(report, sentences or {})]
    for heading, entries in _sections(report):
        lines += ["", f"## {_escaped(heading)}", ""]
        lines += [f"- {_escaped(name)}: {_escaped(value)}" for name, value in entries]
    return "\n".join(lines)


def card_html(report: dict, sentences: dict[str, str] | None = None) -> str:
    """The model card as a page of HTML that needs no other file and no network, and prints on A4.

    Parameters and Raises are those of `card_markdown`.

    See Also
    --------
    write_card : writes both

    Examples
    --------
    >>> from util.hospital.report import new_report
    >>> "<script" in card_html(new_report("<script>", "5f3c"))
    False

    Taught in lesson 15, section 8.
    """
    title = f"Model card of {as_html(report.get('student'))}"
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    body = [
        "<h1>Model card after an audit</h1>",
        "<p>Not for clinical use. Films, patients and claims are simulated.</p>",
    ]
    body += [f"<p>{as_html(' '.join(_about(report)))}</p>", f"<p>{as_html(_summary(report))}</p>", "<table>"]
    body.append("<tr>" + "".join(f'<th scope="col">{as_html(name)}</th>' for name in HEADS) + "</tr>")
    for cells in _rows(report, sentences or {}):
        kind = ' class="fails"' if cells[1] == "fails" else ""
        body.append(
            "<tr>"
            + "".join(f"<td{kind if i == 1 else ''}>{as_html(cell)}</td>" for i, cell in enumerate(cells))
            + "</tr>"
        )
    body.append("</table>")
    for heading, entries in _sections(report):
        items = "".join(f"<li>{as_html(name)}: {as_html(value)}</li>" for name, value in entries)
        body.append(f"<h2>{as_html(heading)}</h2><ul>{items}</ul>")
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def write_card(folder: str | Path, report: dict, sentences: dict[str, str] | None = None) -> None:
    """Write the model card as model_card.md and model_card.html into a folder, each whole or not at all.

    Raises
    ------
    CourseError : the folder is missing, or a file cannot be written.

    See Also
    --------
    util.files.whole : how

    Examples
    --------
    Not run by the tests, since it writes files.

    >>> write_card("build", report)  # doctest: +SKIP

    Taught in lesson 15, section 8.
    """
    write_text(f"{folder}/model_card.md", card_markdown(report, sentences) + "\n")
    write_text(f"{folder}/model_card.html", card_html(report, sentences))


def _about(report):
    return f"Student {report.get('student')},", f"hospital {str(report.get('hospital'))[:12]}."  # enough to know it by


def _summary(report):
    verdicts = [_answer(report, claim.key).get("verdict") for claim in CLAIMS]
    failed, held = verdicts.count("fails"), verdicts.count("holds")
    return (
        f"Of {len(CLAIMS)} claims, {failed} failed, {held} held, and {len(CLAIMS) - failed - held} were not answered."
    )


def _answer(report, key):
    claims = report.get("claims")
    given = claims.get(key) if isinstance(claims, dict) else None
    return given if isinstance(given, dict) else {}


def _rows(report, sentences):
    """A row of five texts for each claim."""
    for claim in CLAIMS:
        given = _answer(report, claim.key)
        verdict = given.get("verdict") if given.get("verdict") in ("holds", "fails") else OPEN
        low, high = given.get("low"), given.get("high")
        estimate = _number(given["estimate"]) if is_number(given.get("estimate")) else ""
        if estimate and is_number(low) and is_number(high):
            estimate += f" ({_number(low)} to {_number(high)})"
        said = sentences.get(claim.key) or f"None of this: {claim.fault}"
        yield said, verdict, estimate, _evidence(given), given.get("action", "")


def _evidence(given):
    films, parts = given.get("films"), []
    if isinstance(films, list) and films:
        parts.append(f"{len(films)} films, among them {films[0]}" if len(films) > 1 else f"film {films[0]}")
    if given.get("group"):
        parts.append(f"group {given['group']}")
    return "; ".join(parts)


def _sections(report):
    card = report.get("model_card")
    for heading, entries in card.items() if isinstance(card, dict) else ():
        if isinstance(entries, dict):
            yield heading, [(name, _number(value) if is_number(value) else value) for name, value in entries.items()]


def _number(value):
    """At most three digits after the point: enough for any quantity of an audit."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _escaped(text):
    """A foreign text for one line of Markdown, whose signs are shown and not read."""
    return MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
