"""What the commands share: settings and database as the command line names them, and faults said in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import sqlalchemy as sa
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from yaml import YAMLError

from gateway.settings import Settings, load_settings
from gateway.state.db import open_database

err = Console(stderr=True, highlight=False)

SettingsOption = Annotated[Path | None, typer.Option("--settings", help="Settings of this gateway (YAML).")]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where everything is kept, before that of the settings.")
]


def fail(what: str, said: object = "", code: int = 1) -> NoReturn:
    """End the command with a sentence on standard error."""
    err.print(f"[bold red]{escape(what)}[/]{':' if said else ''} {escape(str(said))}", soft_wrap=True)
    raise typer.Exit(code)


def read_settings(path: Path | None, data_dir: Path | None) -> Settings:
    """The settings as the command line gives them; exits with 2 and a sentence when they are wrong."""
    try:
        settings = load_settings(path)
    except ValidationError as error:
        # Not what stands there: it may be a password.
        faults = "".join(
            f"\n  {'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}" for fault in error.errors()
        )
        fail(f"设置有误 settings {path or 'in the environment (ANJU_…)'}", faults, 2)
    except (ValueError, YAMLError, OSError) as error:
        fail(f"设置有误 settings {path or 'in the environment (ANJU_…)'}", error, 2)
    return settings if data_dir is None else settings.model_copy(update={"data_dir": data_dir})


def open_state(settings: Settings) -> sa.Engine:
    """The state database of a gateway that exists; exits with 1 and a sentence where there is none."""
    if settings.database_url is None and not (settings.data_dir / "state.db").exists():
        fail(
            f"没有数据 there is no gateway's data in {settings.data_dir}",
            "give --data-dir or --settings of the gateway, or `anju apply FILE` first",
        )
    try:
        return open_database(settings.database)
    except sa.exc.SQLAlchemyError as error:
        why = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        fail("数据库无法使用 the state database cannot be used", why)
