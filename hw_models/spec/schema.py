"""The chip file's JSON Schema, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from hw_models.spec.accelerator import Accelerator


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a chip file: each field with its meaning, quantities as text."""
    schema = Accelerator.model_json_schema(mode="validation")
    schema["required"] = ["schema_version", *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "codesign chip"}
