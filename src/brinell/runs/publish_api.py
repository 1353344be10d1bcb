"""`brinell.publish`: one variant of a run, with its card, into a repository of the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path

from brinell.analysis import load
from brinell.analysis.labels import file_names, labels
from brinell.container.hub import HUB_SCHEME, check_repository, first_line, hub_endpoint, hub_library
from brinell.core import ConfigurationError, StoreError, choices
from brinell.reporting.model_card import model_card
from brinell.store import RunStore

CARD = "README.md"


def publish(
    run: str | os.PathLike[str], variant: str, *, to: str, private: bool = False, revision: str | None = None
) -> str:
    """Upload the file of a variant of a run and its generated card to a repository of the hub; one commit.

    The repository is made where there is none. The card holds bytes, accuracies with intervals, the verdict on masked
    gradients and how the network was made. Whoever is logged in (`hf auth login`, or `HF_TOKEN`) publishes.

    Args:
        run: Folder of the run.
        variant: Name of the variant, with `-seed1` where there are several seeds.
        to: `USER/REPO`.
        private: Whether a new repository is private.
        revision: Branch of the repository; its main branch by default.

    Returns:
        The address for `brinell.load`: `hf://USER/REPO/VARIANT.brinell`.

    Raises:
        ConfigurationError: The run has no such variant, it is not made, or `brinell[hub]` is not installed.
        StoreError: The run cannot be read, `to` is no repository, or the hub refuses.
    """
    repository, hub = check_repository(to), hub_library()
    name, file, card = card_of(run, variant, repository, revision)
    api = hub.HfApi(endpoint=hub_endpoint())
    try:
        api.create_repo(repository, repo_type="model", private=private, exist_ok=True)
        operations = [
            hub.CommitOperationAdd(path_in_repo=f"{name}.brinell", path_or_fileobj=str(file)),
            hub.CommitOperationAdd(path_in_repo=CARD, path_or_fileobj=card.encode()),
        ]
        api.create_commit(repository, operations, commit_message=f"Publish {name}", revision=revision)
    except Exception as error:  # HTTP's errors are of another library in each version of the hub's
        raise StoreError(f"cannot publish to {repository}: {first_line(error)}") from error
    return _address(repository, revision, name)


def card_of(
    run: str | os.PathLike[str], variant: str, repository: str, revision: str | None = None
) -> tuple[str, Path, str]:
    """Name, file and card of a variant of a run.

    Raises:
        ConfigurationError: the run has no such variant, or it is not made.
        StoreError: the run cannot be read.
    """
    store = RunStore.open(Path(run))
    plan = store.plan()
    keys = {name: key for key, name in file_names(plan).items()}
    if variant not in keys:
        raise ConfigurationError(f"{store.root}: there is no {variant!r}; {choices(variant, list(keys))}")
    file = store.variant_file(keys[variant], "variant.brinell")
    if file is None:
        raise ConfigurationError(f"{store.root}: {variant} is not made yet; brinell run makes it")
    address = _address(repository, revision, variant)
    card = model_card(load(store), labels(plan)[keys[variant]], f"{variant}.brinell", address)
    return variant, file, card


def _address(repository: str, revision: str | None, variant: str) -> str:
    """What `brinell.load` takes."""
    at = "" if revision is None else f"@{revision}"
    return f"{HUB_SCHEME}{repository}{at}/{variant}.brinell"
