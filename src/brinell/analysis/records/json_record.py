"""What a file of JSON has to look like before anything is read from it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class JsonRecord(BaseModel):
    """Frozen and finite; what a later version writes besides is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
