"""Values that every room shares: specs, keys, seeds, records, errors. No torch."""

from brinell.core.errors import (
    BrinellError,
    ConfigurationError,
    DataError,
    DivergenceError,
    ModelError,
    StoreError,
    UnsupportedError,
    require,
)
from brinell.core.keys import block_name, content_key, file_digest
from brinell.core.progress import Progress, silent
from brinell.core.records import (
    ROW_SCHEMA,
    TRACE_SCHEMA,
    Block,
    PlannedPaper,
    PlannedProbe,
    PlannedTrial,
    PlannedVariant,
    Point,
    StudyPlan,
)
from brinell.core.seeds import derive
from brinell.core.spec import Execution, Fraction, Later, Registry, Spec, explain

__all__ = [
    "ROW_SCHEMA",
    "TRACE_SCHEMA",
    "Block",
    "BrinellError",
    "ConfigurationError",
    "DataError",
    "DivergenceError",
    "Execution",
    "Fraction",
    "Later",
    "ModelError",
    "PlannedPaper",
    "PlannedProbe",
    "PlannedTrial",
    "PlannedVariant",
    "Point",
    "Progress",
    "Registry",
    "Spec",
    "StoreError",
    "StudyPlan",
    "UnsupportedError",
    "block_name",
    "content_key",
    "derive",
    "explain",
    "file_digest",
    "require",
    "silent",
]
