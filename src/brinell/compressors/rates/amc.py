"""AMC: an agent learns how much of each layer to keep (He 2018, AutoML for Model Compression)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny
from torch import nn

from brinell.attacks import ATTACKS, FGSM, Attack
from brinell.attacks.harness.oracle import Precision
from brinell.compressors.budgets.resolved_budget import ResolvedBudget
from brinell.compressors.rates.amc_score import Score, accuracy_scorer, robust_accuracy_scorer
from brinell.compressors.rates.rates import ChosenRates, RateProblem, Rates
from brinell.core import Fraction, StoreError, content_key, derive_seed, require
from brinell.data import Dataset
from brinell.nn import copy_module
from brinell.store import (
    CONTENT_HASH_FIELD,
    UNFILLED_CONTENT_HASH,
    content_hash_fits,
    with_content_hash,
    write_bytes,
)
from brinell.training import digest

FILE: Final = "amc.json"
_NEEDED: Final = ("gymnasium", "stable_baselines3")
_FINALISTS: Final = 10


class AMC(Rates):
    """A DDPG agent walks through the layers `episodes` times, and is rewarded for what the pruned network can do
    before fine-tuning, on `examples` images of the training split (those held out, where `train.holdout` asks for it).

    Each action is a share within the interval from which the budget can still be met, so that every episode spends it
    exactly. The best of several hundred looks at the same images is better than it will prove to be: the ten best and
    the uniform shares are therefore looked at once more, on up to twice as many other images, and the best of those is
    chosen. Where the paper repeats the final reward at every layer, the return of the whole episode is learned from
    here (as many steps as layers).
    """

    kind = "amc"

    episodes: int = Field(300, ge=1)
    """Number of episodes of the search."""
    random_episodes: int = Field(100, ge=0)
    """Before the agent is asked; of fewer than three times as many episodes, a third."""
    examples: int = Field(1000, ge=1)
    """Training images that the reward is measured on."""
    reward: Literal["accuracy", "robust_accuracy"] = "accuracy"
    """Reward of an episode: `accuracy`, or `robust_accuracy` under `attack`."""
    attack: Annotated[SerializeAsAny[Attack], BeforeValidator(ATTACKS.read)] = FGSM(epsilon=2 / 255)
    """Where the reward is `robust_accuracy`: what the network has to withstand."""
    least: Fraction = Field(0.2, gt=0, le=1)
    """Every layer keeps at least this part of the uniform share."""
    precision: Precision = "float32"
    """In which accuracy is scored; an attack has a precision of its own."""

    def choose(self, case: RateProblem) -> ChosenRates:
        """The best shares that the agent came across."""
        for module in _NEEDED:
            require(module, extra="amc")
        order = case.data.order(derive_seed(case.seed, "slice"))
        slices = [
            case.data.subset(order[part]) for part in (slice(self.examples), slice(self.examples, 3 * self.examples))
        ]
        identity = content_key(
            "amc",
            rule=self.identity(),
            context=case.context,
            data=digest({"ids": case.data.ids}, case.data.fingerprint),
            seed=case.seed,
        )
        path = None if case.checkpoint is None else case.checkpoint / FILE
        found = _read(path, identity)
        if found is None:
            found = self._search(case, *slices)
            if path is not None:
                record = {"identity": identity, **found, CONTENT_HASH_FIELD: UNFILLED_CONTENT_HASH}
                write_bytes(path, with_content_hash(json.dumps(record).encode(), FILE))
        return ChosenRates(found["shares"], {"amc": found["figures"]})

    def _score(self, case: RateProblem, data: Dataset) -> Score:
        if self.reward == "accuracy":
            return accuracy_scorer(data, case.device, self.precision)
        return robust_accuracy_scorer(data, case.device, self.attack, derive_seed(case.seed, "attack"))

    def _search(self, case: RateProblem, data: Dataset, others: Dataset) -> dict[str, Any]:
        """Shares and figures of the search, for JSON; `others` are the images of the second look."""
        from brinell.compressors.rates.amc_agent import run_episodes
        from brinell.compressors.rates.amc_environment import LayerWalk

        uniform, smallest = _uniform(case.resolved), case.resolved.smallest
        log = _Log(case, self._score(case, data), uniform, self.episodes)
        least = {name: max(self.least * share, smallest[name]) for name, share in uniform.items()}
        environment = LayerWalk(case, least, log.judge)
        at_random = min(self.random_episodes, self.episodes // 3)
        run_episodes(environment, self.episodes, at_random, derive_seed(case.seed, "agent"))
        finalists = log.finalists()
        checked = [self._score(case, others)(log.network(shares)) for shares in finalists] if len(others) else []
        at = checked.index(max(checked)) if checked else 0
        figures: dict[str, Any] = {
            "reward": self.reward,
            "examples": len(data),
            "uniform": log.uniform,
            "chosen": log.look(finalists[at]),
            "rates": {name: round(share, 4) for name, share in finalists[at].items()},
            "uniform_rates": {name: round(share, 4) for name, share in uniform.items()},
            "random_episodes": at_random,
            "episodes": {"episode": list(range(1, len(log.scores) + 1)), "score": log.scores},
        }
        if checked:
            figures["second_look"] = {"examples": len(others), "uniform": checked[-1], "chosen": checked[at]}
        return {"shares": finalists[at], "figures": figures}


def _uniform(resolved: ResolvedBudget) -> dict[str, float]:
    share = resolved.share
    return {name: max(share, least) for name, least in resolved.smallest.items()}


class _Log:
    """Scores shares, and remembers every episode's score and the best ones' shares."""

    def __init__(self, case: RateProblem, score: Score, uniform: Mapping[str, float], episodes: int) -> None:
        self.case, self.score, self.episodes = case, score, episodes
        self.sketch = case.parts.sketch(copy_module(case.module).to(case.device))
        self.known: dict[tuple[int, ...], float] = {}
        self.shares: list[dict[str, float]] = []
        self.scores: list[float] = []
        self.alike = dict(uniform)
        self.uniform = self.look(uniform)

    def network(self, shares: Mapping[str, float]) -> nn.Module:
        """Pruned to these shares."""
        return self.sketch(self.case.resolved.counts(shares))

    def look(self, shares: Mapping[str, float]) -> float:
        """The score of the network pruned to these shares; the same counts are looked at once."""
        key = tuple(self.case.resolved.counts(shares).values())
        if key not in self.known:
            self.known[key] = self.score(self.network(shares))
        return self.known[key]

    def judge(self, shares: Mapping[str, float]) -> float:
        """An episode's reward: by how much its score is above that of uniform rates."""
        self.shares.append(dict(shares))
        self.scores.append(self.look(shares))
        self.case.progress(f"amc, best {max(self.scores):.1%}", len(self.scores), self.episodes)
        return self.scores[-1] - self.uniform

    def finalists(self) -> list[dict[str, float]]:
        """The shares of the episodes that were better than uniform ones, best first, and the uniform ones."""
        better = sorted((-score, at) for at, score in enumerate(self.scores) if score > self.uniform)
        return [*(self.shares[at] for _, at in better[:_FINALISTS]), self.alike]


def _read(path: Path | None, identity: str) -> dict[str, Any] | None:
    """What an earlier call with the same `identity` has found.

    Raises:
        StoreError: the file is damaged, or of another call.
    """
    if path is None or not path.is_file():
        return None
    try:
        data = path.read_bytes()
        if not content_hash_fits(data, FILE):
            raise ValueError("its content is not what was written")
        found = json.loads(data)
        if found["identity"] == identity:
            return {"shares": dict(found["shares"]), "figures": dict(found["figures"])}
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete it to search again") from None
    raise StoreError(f"{path} is of another run (settings, data, seed or network differ); delete it to search again")
