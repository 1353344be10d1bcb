"""How fast variants run beside their baseline's fastest runtime, and the sentence on the smallest file."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from brinell.analysis import Evaluation, load
from brinell.analysis.records.probes import Found, Latency, Probes
from brinell.reporting.speed_up import fastest_times, latency_frame, smallest_file_speed
from reporting.fake_run import write_fake_run


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return load(write_fake_run(tmp_path_factory.mktemp("run"), examples=100))


def timed(evaluation: Evaluation, **medians: dict[tuple[str, int], float]) -> Evaluation:
    """The evaluation with these medians, by variant, runtime and batch."""
    found = tuple(
        Found(
            variant=variant,
            record=Latency.model_validate(
                {
                    "machine": "one",
                    "threads": 1,
                    "readings": [
                        {"runtime": runtime, "batch": batch, "median_ms": ms, "runs": 9}
                        for (runtime, batch), ms in readings.items()
                    ],
                }
            ),
            arrays=dict,
        )
        for variant, readings in medians.items()
    )
    return replace(evaluation, probes=Probes({**evaluation.probes.by_kind, "latency": found}))


def smallest(evaluation: Evaluation) -> str:
    rows = evaluation.variants.filter(pl.col("compression_ratio") > 1).sort("encoded_bytes")
    return str(rows["variant"][0])


def test_a_slow_runtime_of_the_baseline_makes_nothing_fast(evaluation: Evaluation) -> None:
    found = timed(
        evaluation,
        baseline={("torch", 1): 8.0, ("openvino", 1): 2.0, ("torch", 64): 90.0},
        inq={("torch", 1): 4.0, ("openvino", 1): 1.0, ("torch", 64): 30.0},
    )
    rows = {(row["variant"], row["runtime"], row["batch"]): row for row in latency_frame(found).iter_rows(named=True)}
    assert rows["inq", "torch", 1]["speed_up"] == 0.5
    assert rows["inq", "openvino", 1]["speed_up"] == 2.0
    assert rows["inq", "torch", 64]["speed_up"] == 3.0
    assert rows["baseline", "torch", 1]["speed_up"] == 0.25
    assert dict(fastest_times(found).iter_rows()) == {"baseline": 2.0, "inq": 1.0}


@pytest.mark.parametrize(
    ("ms", "says"),
    [
        (1.0, "also runs 2\u00d7 as fast for one image (openvino)"),
        (4.0, "runs slower: it takes 2\u00d7 the time for one image (openvino)"),
        (2.04, "runs no faster for one image (openvino)"),
    ],
)
def test_the_sentence_says_what_was_timed(evaluation: Evaluation, ms: float, says: str) -> None:
    name = smallest(evaluation)
    found = timed(evaluation, baseline={("torch", 1): 2.0}, **{name: {("openvino", 1): ms}})
    assert smallest_file_speed(found, "baseline") == (name, says)


def test_nothing_is_said_of_what_was_not_timed(evaluation: Evaluation) -> None:
    name = smallest(evaluation)
    assert smallest_file_speed(evaluation, "baseline") is None
    assert smallest_file_speed(timed(evaluation, baseline={("torch", 1): 2.0}), "baseline") is None
    assert smallest_file_speed(timed(evaluation, **{name: {("torch", 1): 2.0}}), "baseline") is None
