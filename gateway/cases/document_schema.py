"""Writes docs/case-document.schema.json: ``python -m gateway.cases.document_schema``."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.cases.document import CaseDocument

PAGE = Path(__file__).parents[2] / "docs" / "case-document.schema.json"

if __name__ == "__main__":
    schema = CaseDocument.model_json_schema(by_alias=True)
    PAGE.write_text(json.dumps(schema, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
