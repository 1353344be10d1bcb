"""What may stand inside a `<script>`: nothing in it can end the element, whatever names hold."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any


def script(code: str) -> str:
    """JavaScript whose strings hold no end of the element."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", code, flags=re.IGNORECASE)


def data(value: Any) -> str:
    """JSON without a `<`.

    Raises:
        ValueError: it holds NaN or infinity, which JSON does not know.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c")


def digest(code: str) -> str:
    """What a content security policy calls a script, so that the browser runs this one and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"
