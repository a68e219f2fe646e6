"""What the documents say is so: commands, links, make targets, tables, words."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from pydantic import BaseModel
from typer.core import TyperCommand, TyperGroup

from devices.kinds import KINDS
from gateway import checkup, metrics
from gateway.cases import messages
from gateway.cases.commands import Action
from gateway.cases.effects import Purpose
from gateway.cases.model import LineState, Stage
from gateway.cli import app
from gateway.health import DEAD_MAN
from gateway.settings import Settings
from tests.support.town import Story, Town

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if "node_modules" not in page.parts)
COMMAND = cast("TyperGroup", typer.main.get_command(app))


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def code(page: Path) -> Iterator[str]:
    """What stands as code in a page: lines of shell blocks (continued ones joined), and inline code."""
    content = page.read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", content, re.DOTALL | re.MULTILINE):
        if language in ("sh", "ini"):
            yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", content, flags=re.DOTALL | re.MULTILINE))


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the first table below ``heading``, without its head; cells without backticks."""
    below = text(page).split(f"\n{heading}\n", 1)[1]
    found = re.search(r"^\|.*\n\|[-| :]+\n((?:\|.*\n)+)", below, re.MULTILINE)
    assert found is not None, f"{page}: no table below {heading}"
    return [[cell.strip().strip("`") for cell in line.strip().strip("|").split("|")] for line in found[1].splitlines()]


# --- commands ---------------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for line in code(page):
            for said in re.findall(r"(?<![\w/.-])anju (?!anju )([a-z-].*)", line):
                yield page.relative_to(ROOT).as_posix(), said


def find(said: str) -> tuple[TyperCommand | TyperGroup, list[str]]:
    """The command that ``said`` names, and what stands behind it."""
    words = shlex.split(said, comments=True)
    command: Any = COMMAND
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no `anju … {words[0]}`; there are {sorted(command.commands)}"
        command = command.commands[words.pop(0)]
        if isinstance(command, TyperGroup) and not command.commands:
            break
    return command, words


@pytest.mark.parametrize(("page", "said"), sorted(set(commands())))
def test_commands_exist_with_their_options(page: str, said: str) -> None:
    command, words = find(said)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in known | {"--help"}, f"{page}: anju {said}: there is no {word}"


def test_every_command_is_in_some_page() -> None:
    def leaves(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if isinstance(command, TyperGroup) and command.commands:
            for name, child in command.commands.items():
                yield from leaves(child, (*path, name))
        else:
            yield path

    said = "\n".join(said for _, said in commands())
    silent = [" ".join(path) for path in leaves(COMMAND, ()) if not re.search(rf"^{' '.join(path)}\b", said, re.M)]
    assert silent == []


def test_make_targets_exist_and_run_what_exists() -> None:
    makefile = text("Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {
        target for page in PAGES for line in code(page) for target in re.findall(r"^(?:sudo )?make ([a-z]+)", line)
    }
    assert named and named <= targets
    for module in re.findall(r"\$\(PY\) -m ([\w.]+)", makefile):
        path = ROOT / module.replace(".", "/")
        ours = path.with_suffix(".py").exists() or (path / "__main__.py").exists()
        assert ours or (not path.exists() and find_spec(module) is not None), f"make runs {module}, which is not there"


# --- links ------------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(there), f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_in_code_exist(page: Path) -> None:
    for line in code(page):
        for path in re.findall(r"^((?:devices|firmware_sim|gateway|tests|docs|examples|deploy)/[\w./-]+)$", line):
            assert (ROOT / path).exists(), f"{path} is not there"


# --- tables -----------------------------------------------------------------------------------------------------------


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~!; ]", requirement, maxsplit=1)[0] for requirement in requirements}


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = {extra: names(wanted) for extra, wanted in project["optional-dependencies"].items()}
    page = "docs/dependencies.md"
    assert {row[0] for row in table(page, "## Runtime")} == names(project["dependencies"])
    others = {name for extra, found in extras.items() if extra != "dev" for name in found}
    assert {row[0] for row in table(page, "## Development (`dev`)")} == extras["dev"] - others
    by_extra = {
        (row[0], extra.strip(" `")) for row in table(page, "## Extras") for extra in row[1].replace("`", "").split(",")
    }
    outside_dev = {(name, extra) for extra, found in extras.items() for name in found if extra != "dev"}
    assert by_extra == outside_dev | {(name, "dev") for name in extras["dev"] & others}


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key with its default, as the page writes them."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        parts = [one for one in (annotation, *getattr(annotation, "__args__", ())) if isinstance(one, type)]
        part = next((one for one in parts if issubclass(one, BaseModel)), None)
        if part is not None:
            many = getattr(annotation, "__origin__", None) is list
            yield from settings(part, f"{prefix}{name}[]." if many else f"{prefix}{name}.")
        elif field.is_required():
            yield prefix + name, "required"
        else:
            default = field.default
            yield prefix + name, {None: "–", "": "–", True: "true"}.get(default, str(default))


def test_settings_are_those_of_the_code() -> None:
    rows = table("docs/operating.md", "## Settings")
    assert [(row[0], row[1]) for row in rows] == list(settings(Settings))


def test_metrics_are_those_of_the_code() -> None:
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    made = re.findall(r"(Counter|Gauge)MetricFamily\(\s*\"(\w+)\"", source)
    exposed = {name + ("_total" if kind == "Counter" else "") for kind, name in made}
    page = text("docs/operating.md")
    assert {row[0] for row in table("docs/operating.md", "## Metrics and alerts")} == exposed
    assert set(re.findall(r"\banju_\w+", page)) <= exposed, "an alert names a metric that is not there"


def test_parts_are_those_of_the_checkup() -> None:
    source = Path(checkup.__file__).read_text(encoding="utf-8")
    made = set(re.findall(r"name=f?\"(\w+)", source)) | {"itself", DEAD_MAN.partition("-")[0]}
    rows = table("docs/operating.md", "## Health")
    assert {re.split(r"-", row[0])[0] for row in rows} == made
    assert {row[0] for row in rows if row[1] == "no"} == {
        "serial-<line>",
        "bridge-<bridge>",
        "modem-<modem>",
        "sip-<trunk>",
        "announcer",
        "channels",
        "gateways",
        "path-<channel>",
        "store",
        "chronicle",
        "itself",
        DEAD_MAN,
    }
    assert source.count("critical=False") == 10


def test_the_readme_names_what_is_there() -> None:
    packages = re.findall(r"^    need (\S+)", text("deploy/setup.sh"), re.MULTILINE)
    asked = ("paho-mqtt", "asyncio-mqtt", "influxdb-client", "pyserial", "fastapi", "grafana-api", "pytest")
    for page in ("README.md", "README.zh-CN.md"):
        content = text(page)
        assert [name for name in packages if f"`{name}`" not in content] == []
        assert [name for name in asked if f"| {name} |" not in content] == []
    assert [key for key in KINDS if f"`{key}`" not in text("README.md")] == []
    assert [kind.zh for kind in KINDS.values() if kind.zh not in text("README.zh-CN.md")] == []


def test_rooms_are_those_of_the_contracts() -> None:
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"].startswith("Imports in the gateway"))
    drawing = text("docs/architecture.md").split("## Rooms and import direction")[1].split("## Processes")[0]
    rooms = re.findall(r"gateway\.(\w+)", " ".join(layers))
    assert [room for room in rooms if not re.search(rf"\b{room}\b", drawing)] == []


def test_decisions_are_listed_and_complete() -> None:
    found = sorted((ROOT / "docs/decisions").glob("0*.md"))
    listed = re.findall(r"\| \[(\d{4})\]\((\S+)\) \| (.+) \|", text("docs/decisions/README.md"))
    assert [(path.name[:4], path.name) for path in found] == [(number, name) for number, name, _ in listed]
    assert [int(number) for number, *_ in listed] == list(range(1, len(listed) + 1))
    for path, (number, _, title) in zip(found, listed, strict=True):
        content = path.read_text(encoding="utf-8")
        assert content.startswith(f"# {number} · {title}\n")
        for part in ("Context", "Decision", "Consequence"):
            assert f"**{part}.**" in content, f"{path.name}: no {part}"


# --- cases ------------------------------------------------------------------------------------------------------------


def test_stages_actions_and_gate_are_those_of_the_code() -> None:
    assert [row[0] for row in table("docs/cases.md", "## Stages")] == list(Stage)
    actions: tuple[str, ...] = Action.__args__  # type: ignore[attr-defined]  # the Literal's own values
    assert {row[0] for row in table("docs/cases.md", "## What people can do")} == set(actions)
    gate = text("docs/cases.md").split("stateDiagram-v2")[1].split("```")[0]
    assert set(re.findall(r"^    (\w+) -->", gate, re.MULTILINE)) == set(LineState)


def test_the_words_are_those_that_people_get() -> None:
    rows = {row[0]: row[1:] for row in table("docs/cases.md", "## What is told, in which words")}
    worded = {}
    for purpose in Purpose:
        try:
            worded[purpose.value] = [
                messages.message(Story().case, purpose, Town(), language=language)[0] for language in ("zh", "en")
            ]
        except KeyError:
            continue  # not told to people
    assert rows == worded
