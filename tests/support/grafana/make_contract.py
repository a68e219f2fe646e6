"""Reads what Grafana's published OpenAPI document says of the operations that Anju uses, and writes `contract.json`.

The document itself stands under a licence that keeps it out of this repository. Grafana Labs publish a Go client that
is generated from it, operation by operation and field by field, under the Apache licence, as a Go module; that is what
is read here. Only facts are taken: methods, paths, names, types, what is required, what values there are.

    go mod download -json github.com/grafana/grafana-openapi-client-go@VERSION      # says "Dir"
    python -m tests.support.grafana.make_contract DIR
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONTRACT = HERE / "contract.json"
OPERATIONS = (
    "getHealth",
    "getCurrentOrg",
    "getDataSources",
    "getDataSourceByUID",
    "addDataSource",
    "updateDataSourceByUID",
    "deleteDataSourceByUID",
    "getFolderByUID",
    "createFolder",
    "updateFolder",
    "deleteFolder",
    "getFolderPermissionList",
    "updateFolderPermissions",
    "search",
    "getDashboardByUID",
    "getDashboardVersionsByUID",
    "postDashboard",
    "deleteDashboardByUID",
    "searchTeams",
    "createTeam",
    "searchOrgServiceAccountsWithPaging",
    "createServiceAccount",
    "deleteServiceAccount",
    "listTokens",
    "createToken",
    "deleteToken",
    "RouteGetContactpoints",
    "RoutePostContactpoints",
    "RoutePutContactpoint",
    "RouteDeleteContactpoints",
    "RouteGetPolicyTree",
    "RoutePutPolicyTree",
    "RouteGetAlertRules",
    "RoutePostAlertRule",
    "RoutePutAlertRule",
    "RouteDeleteAlertRule",
)
"""By the names that the document gives them, without regard to large and small letters or a leading ``Route``."""

_OPERATION = re.compile(r'ID:\s+"(\w+)",\s+Method:\s+"(\w+)",\s+PathPattern:\s+"([^"]+)"')
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ALIAS = re.compile(r"^type (\w+) (?!struct)(\S.*)$", re.MULTILINE)
_FIELD = re.compile(r'((?:^\t+//.*\n)*)^\t+(\w+)\s+(\S+)\s+`json:"([^",]+)(,omitempty)?"`', re.MULTILINE)
_PARAM = re.compile(r'Set(Path|Query|Header)Param\("([^"]+)"')
_ANSWER = re.compile(r"case (\d{3}):\n\t\tresult := New(\w+)\(\)")
_CONSTANT = re.compile(r"^\t(\w+) (\w+) = (.+)$", re.MULTILINE)
_SCALARS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int64": {"type": "integer"},
    "float64": {"type": "number"},
    "interface{}": {},
    "strfmt.DateTime": {"type": "string"},
    "strfmt.Duration": {"type": "string"},
    "strfmt.Base64": {"type": "string"},
}


class Module:
    """The Go client's source."""

    def __init__(self, directory: Path) -> None:
        self._models = {path.stem: path.read_text(encoding="utf-8") for path in (directory / "models").glob("*.go")}
        self._types: dict[str, str] = {}
        for text in self._models.values():
            for name in re.findall(r"^type (\w+) ", text, re.MULTILINE):
                self._types[name] = text
        self._client = directory / "client"
        self.definitions: dict[str, Any] = {}

    def operations(self) -> dict[str, dict[str, Any]]:
        """Name → what the document says of it."""
        wanted = {_plain(name): name for name in OPERATIONS}
        found: dict[str, dict[str, Any]] = {}
        for path in sorted(self._client.glob("*/*_client.go")):
            for name, method, pattern in _OPERATION.findall(path.read_text(encoding="utf-8")):
                if _plain(name) in wanted:
                    found[wanted[_plain(name)]] = self._operation(path.parent, name, method, pattern)
        missing = sorted(set(OPERATIONS) - set(found))
        if missing:
            raise SystemExit(f"not in this version: {', '.join(missing)}")
        return {name: found[name] for name in OPERATIONS}

    def _operation(self, folder: Path, name: str, method: str, pattern: str) -> dict[str, Any]:
        stem = next(
            path.stem.removesuffix("_parameters")
            for path in sorted(folder.glob("*_parameters.go"))
            if path.stem.removesuffix("_parameters").replace("_", "") == _plain(name)
        )
        parameters = (folder / f"{stem}_parameters.go").read_text(encoding="utf-8")
        responses = (folder / f"{stem}_responses.go").read_text(encoding="utf-8")
        operation: dict[str, Any] = {"method": method, "path": pattern}
        for where in ("Query", "Header"):
            names = sorted({given for place, given in _PARAM.findall(parameters) if place == where})
            if names:
                operation[where.lower()] = names
        body = re.search(r"^\tBody\s+(\S+)$", parameters, re.MULTILINE)
        if body:
            operation["body"] = self._schema(body[1])
        operation["answers"] = {}
        for status, answer in _ANSWER.findall(responses):
            struct = re.search(rf"^type {answer} struct \{{\n(.*?)^\}}", responses, re.MULTILINE | re.DOTALL)
            payload = re.search(r"^\tPayload\s+(\S+)", struct[1] if struct else "", re.MULTILINE)
            own = re.search(rf"^type {answer}Body struct \{{\n(.*?)^\}}", responses, re.MULTILINE | re.DOTALL)
            if own:
                operation["answers"][status] = self._object(own[1])
            else:
                operation["answers"][status] = self._schema(payload[1]) if payload else None
        return operation

    def _schema(self, go: str) -> dict[str, Any]:
        go = go.lstrip("*").removeprefix("models.")
        if go.startswith("[]"):
            return {"type": ["array", "null"], "items": self._schema(go[2:])}
        if go.startswith("map[string]"):
            return {"type": ["object", "null"], "additionalProperties": self._schema(go.removeprefix("map[string]"))}
        if go in _SCALARS:
            return _SCALARS[go]
        if go not in self._types:
            raise SystemExit(f"a type that is not known: {go}")
        if go not in self.definitions:
            self.definitions[go] = {}  # types may hold themselves
            self.definitions[go] = self._definition(go)
        return {"$ref": f"#/definitions/{go}"}

    def _definition(self, name: str) -> dict[str, Any]:
        text = self._types[name]
        for struct, fields in _STRUCT.findall(text):
            if struct == name:
                return self._object(fields)
        alias = next(target for given, target in _ALIAS.findall(text) if given == name)
        schema = dict(self._schema(alias.split(" //")[0].strip()))
        values = [json.loads(value) for _, kind, value in _CONSTANT.findall(text) if kind == name]
        return {**schema, "enum": values} if values else schema

    def _object(self, fields: str) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required = []
        for comment, _, go, key, _ in _FIELD.findall(fields):
            schema = dict(self._schema(go))
            for mark, keyword in (("Max Length", "maxLength"), ("Min Length", "minLength")):
                limit = re.search(rf"// {mark}: (\d+)$", comment, re.MULTILINE)
                if limit:
                    schema[keyword] = int(limit[1])
            pattern = re.search(r"// Pattern: (.+)$", comment, re.MULTILINE)
            if pattern:
                schema["pattern"] = pattern[1]
            values = re.search(r"// Enum: \[(.*)\]$", comment, re.MULTILINE)
            if values:
                schema["enum"] = values[1].split(" ")
            if re.search(r"// Required: true$", comment, re.MULTILINE):
                required.append(key)
            properties[key] = schema
        found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**found, "required": required} if required else found


def _plain(name: str) -> str:
    return name.lower().removeprefix("route")


def main(arguments: list[str]) -> None:
    """Write the contract from the module's directory."""
    if len(arguments) != 1:
        raise SystemExit(__doc__)
    directory = Path(arguments[0])
    module = Module(directory)
    operations = module.operations()
    contract = {
        "source": "grafana/grafana, public/api-merged.json, by way of github.com/grafana/grafana-openapi-client-go",
        "version": directory.name.partition("@")[2],
        "made_by": "python -m tests.support.grafana.make_contract",
        "base": "/api",
        "operations": operations,
        "definitions": dict(sorted(module.definitions.items())),
    }
    CONTRACT.write_text(json.dumps(contract, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
