"""AMC: an agent learns how much of each layer to keep (He 2018, AutoML for Model Compression)."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from brinell.attacks import ATTACKS, FGSM, Attack
from brinell.attacks.oracle import Precision
from brinell.compressors.rates.amc_score import Score, accuracy_score, robust_score
from brinell.compressors.rates.rates import Case, Choice, Rates
from brinell.core import Fraction, StoreError, content_key, derive, require
from brinell.data import Dataset
from brinell.store import write_text
from brinell.training import digest

FILE: Final = "amc.json"
_NEEDED: Final = ("gymnasium", "stable_baselines3")


class AMC(Rates):
    """A DDPG agent walks through the layers `episodes` times, and is rewarded for what the pruned network can do
    before fine-tuning, on `examples` images of the training split (those held out, where `train.holdout` asks for it).

    Each action is a share within the interval from which the budget can still be met, so that every episode spends it
    exactly. The best episode's shares are chosen; uniform ones, where no episode was better. Where the paper repeats
    the final reward at every layer, the return of the whole episode is learned from here (as many steps as layers).
    """

    kind = "amc"

    episodes: int = Field(300, ge=1)
    random_episodes: int = Field(100, ge=0)
    """Before the agent is asked; of fewer than three times as many episodes, a third."""
    examples: int = Field(1000, ge=1)
    reward: Literal["accuracy", "robust_accuracy"] = "accuracy"
    attack: Annotated[SerializeAsAny[Attack], BeforeValidator(ATTACKS.read)] = FGSM(epsilon=2 / 255)
    """Where the reward is `robust_accuracy`: what the network has to withstand."""
    least: Fraction = Field(0.2, gt=0, le=1)
    """Every layer keeps at least this part of the uniform share."""
    precision: Precision = "float32"
    """In which accuracy is scored; an attack has a precision of its own."""

    def choose(self, case: Case) -> Choice:
        """The best shares that the agent came across."""
        for module in _NEEDED:
            require(module, extra="amc")
        data = case.data.take(min(self.examples, len(case.data)), derive(case.seed, "slice"))
        identity = content_key(
            "amc",
            rule=self.identity(),
            context=case.context,
            data=digest({"ids": data.ids}, data.fingerprint),
            seed=case.seed,
        )
        path = None if case.checkpoint is None else case.checkpoint / FILE
        found = _read(path, identity)
        if found is None:
            found = self._search(case, self._score(case, data), len(data))
            if path is not None:
                write_text(path, json.dumps({"identity": identity, **found}))
        return Choice(found["shares"], {"amc": found["figures"]})

    def _score(self, case: Case, data: Dataset) -> Score:
        if self.reward == "accuracy":
            return accuracy_score(data, case.device, self.precision)
        return robust_score(data, case.device, self.attack, derive(case.seed, "attack"))

    def _search(self, case: Case, score: Score, examples: int) -> dict[str, Any]:
        """Shares and figures of the search, for JSON."""
        from brinell.compressors.rates.amc_agent import explore
        from brinell.compressors.rates.amc_environment import LayerWalk

        allowance = case.allowance
        log = _Log(case, score, self.episodes)
        uniform = {name: max(allowance.share, least) for name, least in allowance.smallest.items()}
        log.uniform = log.look(uniform)
        log.best, log.chosen = log.uniform, uniform
        least = {name: max(self.least * share, allowance.smallest[name]) for name, share in uniform.items()}
        environment = LayerWalk(case, least, log.judge)
        explore(environment, self.episodes, min(self.random_episodes, self.episodes // 3), derive(case.seed, "agent"))
        episodes = {"episode": list(range(1, len(log.scores) + 1)), "score": log.scores}
        figures = {
            "reward": self.reward,
            "examples": examples,
            "uniform": log.uniform,
            "best": log.best,
            "rates": {name: round(share, 4) for name, share in log.chosen.items()},
            "episodes": episodes,
        }
        return {"shares": log.chosen, "figures": figures}


class _Log:
    """Scores shares, and remembers every episode's score and the best one's shares."""

    def __init__(self, case: Case, score: Score, episodes: int) -> None:
        self.case, self.score, self.episodes = case, score, episodes
        self.sketch = case.parts.sketch(copy.deepcopy(case.module).to(case.device))
        self.known: dict[tuple[int, ...], float] = {}
        self.scores: list[float] = []
        self.uniform = self.best = 0.0
        self.chosen: dict[str, float] = {}

    def look(self, shares: Mapping[str, float]) -> float:
        """The score of the network pruned to these shares; the same counts are looked at once."""
        counts = self.case.allowance.counts(shares)
        key = tuple(counts.values())
        if key not in self.known:
            self.known[key] = self.score(self.sketch(counts))
        return self.known[key]

    def judge(self, shares: Mapping[str, float]) -> float:
        """An episode's reward: by how much its score is above that of uniform rates."""
        found = self.look(shares)
        self.scores.append(found)
        if found > self.best:
            self.best, self.chosen = found, dict(shares)
        self.case.progress(f"amc, best {self.best:.1%}", len(self.scores), self.episodes)
        return found - self.uniform


def _read(path: Path | None, identity: str) -> dict[str, Any] | None:
    """What an earlier call with the same `identity` has found.

    Raises:
        StoreError: the file is damaged, or of another call.
    """
    if path is None or not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["identity"] == identity:
            return {"shares": dict(found["shares"]), "figures": dict(found["figures"])}
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete it to search again") from None
    raise StoreError(f"{path} is of another run (settings, data, seed or network differ); delete it to search again")
