"""AMC's agent: stable-baselines3's DDPG with the settings of He 2018 (section 3 and the authors' code)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DDPG
from stable_baselines3.common.logger import Logger

from brinell.compressors.rates.amc_environment import LayerWalk

HIDDEN: Final = [300, 300]
ACTOR_RATE: Final = 1e-4
CRITIC_RATE: Final = 1e-3
TAU: Final = 0.01
BATCH: Final = 64
REMEMBERED: Final = 100
"""Episodes in the replay buffer."""
SIGMA: Final = 0.5
"""Of the noise on an action in [0, 1] in the first episode after the random ones."""
DECAY: Final = 0.95
"""Of the noise, an episode."""


class _Agent(DDPG):
    """DDPG with two learning rates, and with noise that is truncated to where actions are instead of clipped."""

    def __init__(self, environment: LayerWalk, random_episodes: int, seed: int) -> None:
        self.length, self.random_episodes = len(environment.layers), random_episodes
        self.draws = np.random.default_rng(seed)
        super().__init__(
            "MlpPolicy",
            environment,
            learning_rate=CRITIC_RATE,
            buffer_size=REMEMBERED * self.length,
            learning_starts=random_episodes * self.length,
            batch_size=BATCH,
            tau=TAU,
            gamma=1.0,
            train_freq=(1, "episode"),
            gradient_steps=-1,
            n_steps=self.length,
            policy_kwargs={"net_arch": HIDDEN},
            seed=seed % 2**31,  # NumPy's global generator takes no more
            device="cpu",
        )

    def _update_learning_rate(self, optimizers: Any) -> None:
        for group in self.actor.optimizer.param_groups:
            group["lr"] = ACTOR_RATE

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        episode = self.num_timesteps // self.length
        if episode < self.random_episodes:
            place = self.draws.uniform()
        else:
            seen: Any = self._last_obs
            action, _ = self.predict(seen, deterministic=True)
            sigma = SIGMA * DECAY ** (episode - self.random_episodes)
            place = _truncated((float(action[0, 0]) + 1) / 2, sigma, self.draws.uniform())
        chosen = np.array([[2 * place - 1]], dtype=np.float32)
        return chosen, chosen


def run_episodes(environment: LayerWalk, episodes: int, random_episodes: int, seed: int) -> None:
    """Let the agent go through the layers `episodes` times; the environment sees all that it does.

    The global random states are left as they were.
    """
    with _own_random_states():
        agent = _Agent(environment, random_episodes, seed)
        agent.set_logger(Logger(None, []))  # its own makes a folder
        agent.learn(total_timesteps=episodes * agent.length, log_interval=episodes + 1)


def _truncated(mean: float, sigma: float, at: float) -> float:
    """The `at`-quantile of a normal distribution that is cut off outside [0, 1]."""
    normal = NormalDist(mean, max(sigma, 1e-9))
    low, high = normal.cdf(0.0), normal.cdf(1.0)
    level = low + at * (high - low)
    return min(1.0, max(0.0, normal.inv_cdf(level))) if 0 < level < 1 else min(1.0, max(0.0, mean))


@contextmanager
def _own_random_states() -> Iterator[None]:
    """stable-baselines3 seeds every global generator that there is: give them back as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
