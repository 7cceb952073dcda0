"""What schemathesis cannot know of the gateway from its document; loaded by `test_gateway_schema.py`."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import GenerationMode


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Take away the wishes under which a breach of the schema, or a server error, is the right answer; make good tensors fit.

    With `partial=true` bad rows are answered in their place, and the call is 200. With a budget of few milliseconds the answer is 504.
    Nor does anybody wait for trainings to end. No schema can say that a tensor has as many values as its shape says, or which model takes
    which: the inputs of the model's example are right.
    """
    case.headers.pop("Prefer", None)
    if str(case.query.get("partial")).lower() == "true":
        case.query["partial"] = "false"
    deadline = str(case.headers.get("X-Request-Deadline-Ms"))
    if deadline.isascii() and deadline.isdecimal() and 0 < int(deadline) < 5000:
        case.headers["X-Request-Deadline-Ms"] = "5000"
    negative = case.meta is not None and case.meta.generation.mode is GenerationMode.NEGATIVE
    if case.path.endswith("/infer") and not negative and isinstance(case.body, dict):
        examples = case.operation.definition.raw["requestBody"]["content"]["application/json"]["examples"]
        case.body = case.body | {"inputs": examples[case.path_parameters["model"]]["value"]["inputs"], "outputs": None}
