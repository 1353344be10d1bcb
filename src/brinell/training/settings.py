"""`Train`: every setting of a training run that decides its result."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from brinell.core import Fraction, OmitDefaultFromKey, Spec
from brinell.training.adversarial import Adversarial
from brinell.training.distillation import Distillation


class Train(Spec):
    """How to train: epochs, optimiser, schedule, augmentation. Every field decides the result, the batch size too.

    `schedule` is a function of the share of all steps that is done: `constant`; `cosine` falls from `learning_rate` to
    0; `one_cycle` rises from a 25th of it during the first 30 % and then falls to 0 (Smith & Topin 2019, without the
    cycle of the momentum). `adamw` takes `momentum` as its first beta, with 0.999 as the second.

    `augment` moves the images of each batch at random: `shift` by up to an eighth of their size in each direction
    (4 of 32 pixels; what comes in is black), `crop_flip` mirrors half of them as well.

    Examples:
        >>> import brinell
        >>> brinell.training.Train(epochs=5, adversarial={"epsilon": "8/255"}).adversarial.steps
        1
    """

    kind = "train"

    epochs: int = Field(10, ge=0)
    """Passes over the training data."""
    batch_size: int = Field(256, ge=2)
    """Examples of a step, over all processes."""
    learning_rate: Fraction = Field(0.1, gt=0)
    """Largest learning rate of the schedule."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """`sgd` or `adamw`."""
    momentum: Fraction = Field(0.9, ge=0, lt=1)
    """Momentum of SGD; the first beta of AdamW."""
    nesterov: bool = False
    """Use Nesterov momentum (SGD only)."""
    weight_decay: Fraction = Field(1e-4, ge=0)
    """L2 penalty (SGD) or decoupled weight decay (AdamW)."""
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    """`cosine` falls to 0; `one_cycle` rises for 30 % of the steps first; `constant`."""
    augment: Literal["none", "shift", "crop_flip"] = "none"
    """`shift` moves images by up to an eighth; `crop_flip` also mirrors half of them."""
    label_smoothing: Fraction = Field(0.0, ge=0, lt=1)
    """Probability mass that is spread over all classes."""
    gradient_clip: Fraction | None = Field(None, gt=0)
    """Largest L2 norm of all gradients together; `None` leaves them."""
    precision: Literal["float32", "bf16"] = "float32"
    """`bf16` computes convolutions and products in bfloat16; weights, gradients and batch norm stay float32."""
    holdout: int = Field(0, ge=0)
    """Examples of the training split that are kept for choices and for each epoch's accuracy, not trained on."""
    adversarial: Annotated[Adversarial | None, OmitDefaultFromKey()] = None
    """Replace a share of every batch by adversarial examples; `None` trains on clean images only."""
    distillation: Annotated[Distillation | None, OmitDefaultFromKey()] = None
    """Also distil from the parent network; compressors only."""
    dropout: Annotated[Fraction | None, OmitDefaultFromKey()] = Field(None, ge=0, lt=1)
    """Probability of every dropout layer while it trains; `None` leaves the network's own. A network that was pruned
    needs less: Han 2015 (section 3.1) multiplies it by the square root of the share of weights that are left."""

    recalibration: Annotated[int, OmitDefaultFromKey()] = Field(0, ge=0)
    """Training images over which the statistics of batch norms are estimated anew after the last epoch, layer by layer,
    for the network as evaluation mode runs it; 0 keeps the running averages. It steadies binary networks."""

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.optimizer != "sgd"):
            raise ValueError("nesterov needs optimizer sgd and a momentum above 0")
        return self
