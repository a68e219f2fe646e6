"""Our own rules for boards: what people can read, what leads somewhere, what the store can answer.

`faults` says in plain words what is wrong with a board, and where. Pure; a test asks it of every board.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from dashboards import influxql
from dashboards.board import Annotation, Board, Link, Panel, Thresholds
from dashboards.query import Column, FieldIs, Query, TagIs, TagValues, Var
from dashboards.text import LANGUAGES, Text
from dashboards.thresholds import library
from devices import targets
from devices.measurements import MEASUREMENTS
from devices.telemetry import Measurement

UNITLESS = ("table", "map", "text", "state-timeline")
"""Kinds whose columns have units of their own, or none."""
WITH_LEGEND = ("timeseries", "barchart", "piechart")
PLAIN_NUMBERS = (None, 0, 1)
"""Whether there is any at all: that needs no catalogue."""
CATALOGUES = re.compile(
    r"(EN|GB|IEC|ISO) ?[\d/]+|STANDARDS: |severities of |health of the gateway's parts|devices\.\w+"
)
"""What numbers may come from beside rules and targets: standards, and lists in the code."""
PERSONAL_TAG = "resident"
LETTERS = {"zh": 4, "en": 9}
"""So many letters of a title fit into each twenty-fourth of a wall, at three metres."""
_RULES = re.compile(r"\brules? ([a-z0-9, :-]+)")
_TARGETS = re.compile(r"\bfigures ([A-Z_]+)")
_IN_PATH = re.compile(r"\{(\w+)\}")
_UID = re.compile(r"anju(-[a-z]+)+")
_TEXTS = ("count", "first", "last")
"""Aggregates that texts have."""


def faults(board: Board, boards: Mapping[str, Board]) -> list[str]:
    """All that is wrong with ``board`` among ``boards`` (by uid), each with its place; empty where nothing is."""
    found = [*_board(board), *_variables(board)]
    for link in board.links:
        found += _link(board.uid, link, (), board, boards)
    for panel in board.panels():
        at = f"{board.uid}/{panel.key}"
        found += _panel(at, panel, board)
        for query in panel.queries:
            found += _query(at, query, board)
        for link, columns in _links(panel):
            found += _link(at, link, columns, board, boards)
        for thresholds in (panel.thresholds, *(look.thresholds for look in panel.columns)):
            found += _thresholds(at, thresholds) if thresholds is not None else ()
    for annotation in board.annotations:
        found += _annotation(f"{board.uid}/{annotation.key}", annotation, board)
    return found


def _board(board: Board) -> Iterator[str]:
    if _UID.fullmatch(board.uid) is None:
        yield f"{board.uid}: a board's uid is anju-<word>"
    for things in (board.panels(), board.annotations):
        for key, count in Counter(one.key for one in things).items():
            if count > 1:
                yield f"{board.uid}/{key}: the key stands {count} times"
    for name, count in Counter(one.name for one in board.variables).items():
        if count > 1:
            yield f"{board.uid}: the variable {name} stands {count} times"
    for name in ("range", "refresh"):
        try:
            influxql.span_ms(getattr(board, name))
        except ValueError as error:
            yield f"{board.uid}: {name}: {error}"
    yield from _texts(board.uid, board.title, board.description, *(link.title for link in board.links))
    yield from _texts(board.uid, *(row.title for row in board.rows if row.title is not None))
    residents = [panel.key for panel in board.panels() if any(map(_personal, panel.queries))]
    if residents and not board.private:
        yield f"{board.uid}: shows single residents ({', '.join(residents)}) and is not private"


def _personal(query: Query) -> bool:
    """Shows something of single residents."""
    shown = [*query.by, *(column.field for column in query.columns)]
    chosen = any(isinstance(one, TagIs) and one.tag == PERSONAL_TAG for one in query.where)
    known = MEASUREMENTS.get(query.measurement)
    return known is not None and known.personal and (PERSONAL_TAG in shown or chosen)


def _variables(board: Board) -> Iterator[str]:
    declared: list[str] = []
    for variable in board.variables:
        yield from _texts(f"{board.uid}: variable {variable.name}", variable.title)
        for above in variable.within:
            if above not in declared:
                yield f"{board.uid}: variable {variable.name} is within {above}, which does not stand above it"
        declared.append(variable.name)
    used = _used(board)
    for name in declared:
        if name not in used:
            yield f"{board.uid}: nothing uses the variable {name}"
    for name in used:
        if name not in declared:
            yield f"{board.uid}: the variable {name} is used and not declared"


def _used(board: Board) -> set[str]:
    queries: list[Query | TagValues] = [query for panel in board.panels() for query in panel.queries]
    queries += [annotation.query for annotation in board.annotations]
    queries += [variable.asks() for variable in board.variables]
    values = [one.value for query in queries for one in query.where if isinstance(one, TagIs)]
    return {value.name for value in values if isinstance(value, Var)}


def _panel(at: str, panel: Panel, board: Board) -> Iterator[str]:
    yield from _texts(at, panel.title, panel.description, *filter(None, (panel.empty, panel.text)))
    words = [look.title for look in panel.columns if look.title is not None]
    words += [one.text for look in panel.columns for one in look.values] + [one.text for one in panel.values]
    yield from _texts(at, *words, *(link.title for link in panel.links))
    if panel.kind == "text":
        if panel.text is None:
            yield f"{at}: a text panel without a text"
    elif not panel.queries:
        yield f"{at}: asks for nothing"
    if panel.kind not in UNITLESS and not panel.unit:
        yield f"{at}: has no unit"
    if panel.kind in WITH_LEGEND and not panel.legend and _several(panel):
        yield f"{at}: several series and no legend"
    if panel.kind == "state-timeline" and panel.thresholds is None and not _words(panel):
        yield f"{at}: states without words or colours"
    if not (1 <= panel.width <= 24 and panel.height >= 3):
        yield f"{at}: {panel.width} wide and {panel.height} high"
    for language in LANGUAGES:
        title, most = panel.title.of(language), LETTERS[language] * panel.width
        if len(title) > most:
            yield f"{at}: the title {title!r} is {len(title)} letters long; {most} fit"
    for query in panel.queries:
        labels = [column.label for column in query.columns]
        if panel.kind == "map" and not {"lat", "lon"} <= set(labels):
            yield f"{at}: a map without lat and lon"
        if panel.kind == "xychart" and len(labels) < 2:
            yield f"{at}: points of one number alone"


def _several(panel: Panel) -> bool:
    return len(panel.queries) > 1 or any(query.by or len(query.columns) > 1 for query in panel.queries)


def _words(panel: Panel) -> bool:
    return bool(panel.values) or any(look.values for look in panel.columns)


def _texts(at: str, *texts: Text) -> Iterator[str]:
    for text in texts:
        for language in LANGUAGES:
            if not text.of(language).strip():
                yield f"{at}: {text.en or text.zh!r} has no {'Chinese' if language == 'zh' else 'English'}"


def _query(at: str, query: Query, board: Board) -> Iterator[str]:
    known = MEASUREMENTS.get(query.measurement)
    if known is None:
        yield f"{at}: there is no measurement {query.measurement}"
        return
    if query.columns[0].aggregate is None and query.limit is None:
        yield f"{at}: points as they are without a limit"
    for span in (query.last, None if query.every == "auto" else query.every):
        if span is not None:
            try:
                influxql.span_ms(span)
            except ValueError as error:
                yield f"{at}: {error}"
    tags = {tag.key for tag in known.tags}
    for column in query.columns:
        yield from _column(at, column, known, tags)
    for tag in query.by:
        if tag not in tags:
            yield f"{at}: {known.key} has no tag {tag}"
    for one in query.where:
        if isinstance(one, TagIs):
            if one.tag not in tags:
                yield f"{at}: {known.key} has no tag {one.tag}"
        else:
            yield from _compared(at, one, known)
    for name in re.findall(r"\{(\w+)\}", query.name):
        if name not in query.by:
            yield f"{at}: the name {query.name!r} needs the tag {name}, which the query does not group by"


def _column(at: str, column: Column, known: Measurement, tags: set[str]) -> Iterator[str]:
    if column.field in tags and not column.localized:
        if column.aggregate is not None:
            yield f"{at}: {column.field} is a tag of {known.key}; it can be shown and grouped by, not reckoned with"
        return
    for language in LANGUAGES:
        field = known.field(column.stored(language))
        if field is None:
            yield f"{at}: {known.key} has no field {column.stored(language)}"
        elif field.text and (column.scale != 1 or column.aggregate not in (None, *_TEXTS)):
            yield f"{at}: {known.key}.{field.key} is text, and no number to reckon with"


def _compared(at: str, condition: FieldIs, known: Measurement) -> Iterator[str]:
    field = known.field(condition.field)
    if field is None:
        yield f"{at}: {known.key} has no field {condition.field}"
    elif field.text is not isinstance(condition.value, str):
        yield f"{at}: {known.key}.{field.key} is {'text' if field.text else 'a number'}, compared with another kind"
    elif field.text and condition.compare not in ("=", "!="):
        yield f"{at}: texts are alike or not; {condition.compare} is for numbers"


def _links(panel: Panel) -> Iterator[tuple[Link, tuple[str, ...]]]:
    """Every link of a panel, with the columns that its row has."""
    for link in panel.links:
        yield link, _row(panel.queries[:1])
    for look in panel.columns:
        if look.link is not None:
            yield look.link, _row([one for one in panel.queries if look.column in _row([one])])


def _row(queries: Sequence[Query]) -> tuple[str, ...]:
    return tuple(name for one in queries for name in (*one.by, *(column.label for column in one.columns)))


def _link(at: str, link: Link, columns: Iterable[str], board: Board, boards: Mapping[str, Board]) -> Iterator[str]:
    if (link.board is None) == (link.path is None):
        yield f"{at}: the link {link.title.en!r} leads to a board or to a path, to one of them"
    needed = [column for _, column in link.carry] + _IN_PATH.findall(link.path or "")
    for column in needed:
        if column not in columns:
            yield f"{at}: the link {link.title.en!r} needs the column {column}"
    if link.path is not None and not link.path.startswith("/"):
        yield f"{at}: the path {link.path!r} begins with no slash"
    if link.board is None:
        return
    there = boards.get(link.board)
    if there is None:
        yield f"{at}: the link {link.title.en!r} leads to the board {link.board}, which does not exist"
        return
    for variable, _ in link.carry:
        if variable not in {one.name for one in there.variables}:
            yield f"{at}: the board {link.board} has no variable {variable}"


def _thresholds(at: str, thresholds: Thresholds) -> Iterator[str]:
    """Numbers have a source that can be looked up."""
    source, steps = thresholds.source, [step.at for step in thresholds.steps]
    if not source.strip():
        yield f"{at}: thresholds without a source"
    if not steps or steps[0] is not None:
        yield f"{at}: thresholds do not begin at the lowest"
    if any(low is not None and high is not None and low >= high for low, high in pairwise(steps)):
        yield f"{at}: thresholds are not in their order"
    resolved = CATALOGUES.search(source) is not None
    for found in _RULES.findall(source):
        for name in re.split(r", ?| ", found.partition(": ")[0]):
            rule = name.partition(":")[0]
            if "-" not in rule:
                continue  # a word of the sentence
            resolved = True
            try:
                library(rule)
            except LookupError as error:
                yield f"{at}: {error}"
    for name in _TARGETS.findall(source):
        resolved = True
        if not hasattr(targets, name):
            yield f"{at}: there is no target {name}"
    if not resolved and any(step not in PLAIN_NUMBERS for step in steps):
        yield f"{at}: the thresholds' source {source!r} is neither rule nor target nor standard"


def _annotation(at: str, annotation: Annotation, board: Board) -> Iterator[str]:
    yield from _texts(at, annotation.title)
    yield from _query(at, annotation.query, board)
    labels = [column.label for column in annotation.query.columns]
    for column in (annotation.text, *annotation.tags):
        if column not in labels:
            yield f"{at}: marks show the column {column}, which the query does not have"
