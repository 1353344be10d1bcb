"""`FrozenNetwork`: a network as the harness computes it, through fast forms that are compared with it before use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, Literal

import torch
from torch import Tensor, nn

from brinell.attacks.harness.equivalence_cache import EquivalenceResults, equivalence_results
from brinell.attacks.harness.fast_forms import Form, Scores, folded, without_gradients
from brinell.attacks.harness.gradient_check import describe_gradient, has_known_surrogates
from brinell.attacks.harness.network_check import NetworkTraits, check_network
from brinell.nn import (
    Response,
    comparison_images,
    copy_module,
    describe_bfloat16_difference,
    describe_difference,
    frozen_copy,
    relative_difference,
    respond,
    set_layout,
)
from brinell.variants import set_surrogate

Precision = Literal["float32", "bf16"]
Role = Literal["scores", "gradients"]
"""What a form is for: logits without a gradient, or with one."""

_TWIN: Final = 0.05
"""What the logits of a twin may differ by, of their spread, before it counts as another network."""

_CHANGED: Final = 1e-4
"""What logits of the same images may differ by, of their spread, before and after an attack."""

_Build = Callable[[nn.Module, Form], Form | None]


class FrozenNetwork:
    """A frozen copy of a module on a device, or a function as it is; float32 images in, float32 logits out.

    What it was given is never touched. Its *plain* form is the copy, called as the module would be. Others are faster:
    each is compared with the plain one on some of the first images that are asked about (`describe_difference`), and
    used if it computes the same. `rejected` says why others are not.

    Raises:
        ModelError: the module cannot be copied.
    """

    def __init__(self, network: nn.Module | Scores, device: torch.device) -> None:
        self.source, self.device = network, device
        self.module = frozen_copy(network, device) if isinstance(network, nn.Module) else None
        self._forms: dict[str, Form] = {}
        self._results = EquivalenceResults()
        self._compared: Tensor | None = None
        self._responses: dict[bool, Response] = {}
        self._folded: Form | None = None
        self._first = torch.empty(0)

    def traits(self, images: Tensor) -> NetworkTraits:
        """What the network needs to be called with, from a first call on some of these images.

        Raises:
            ModelError: it does not map such images to logits.
        """
        if self._compared is None:
            self._compared = comparison_images(images)
            self._results = equivalence_results(self.source, self.device, self._compared.shape[1:])
        if self._results.traits is None:
            self._results.traits = check_network(self._plain, self._compared)
        return self._results.traits

    def deployed(self, images: Tensor) -> Form:
        """The network itself, in the memory layout that is proved to make no difference."""
        if "judged" not in self._forms:
            self._forms["judged"] = self._in_its_layout(images)
            self._first = respond(self._forms["judged"], self._images(), gradients=False).logits
        return self._forms["judged"]

    def form(self, role: Role, images: Tensor, precision: Precision = "float32") -> Form:
        """The fastest proved form for logits without a gradient (`scores`) or with one (`gradients`)."""
        if role not in self._forms:
            self._forms[role] = self._in_float32(role, images)
            if role == "gradients":
                self._check_gradient()
        if precision == "float32" or not self.traits(images).fast_forms:
            return self._forms[role]
        key = f"{role}, bfloat16"
        if key not in self._forms:
            self._forms[key] = self._in_bfloat16(role, key, images)
        return self._forms[key]

    def use_surrogate(self, name: str) -> None:
        """Let the gradients of binary layers be this surrogate's; forms that are made later have it, too."""
        for module in (self.module, *(form.network for form in self._forms.values())):
            if isinstance(module, nn.Module):
                set_surrogate(module, name)

    @property
    def _plain(self) -> nn.Module | Scores:
        return self.source if self.module is None else self.module  # a module of a length may be false

    @property
    def only_deployed(self) -> bool:
        """Whether no other form than the deployed one is in use."""
        deployed = self._forms.get("judged")
        return deployed is not None and all(form is deployed for form in self._forms.values())

    @property
    def remarks(self) -> tuple[str, ...]:
        """What makes figures of this network doubtful."""
        traits = self._results.traits
        return () if traits is None else traits.remarks + (self._results.gradient or ())

    def differing(self, judged: FrozenNetwork, images: Tensor) -> tuple[str, ...]:
        """A remark where this network, which gives the gradients, is not the judged one, as a twin may not be."""
        if self is judged:
            return ()
        known = self._results.differs.get(judged.source) if isinstance(judged.source, nn.Module) else None
        if known is None:
            # What each was compared with itself on may be other images; here both are asked about the same ones.
            same = comparison_images(images)
            found, expected = (
                respond(network.deployed(same), same, gradients=False).logits for network in (self, judged)
            )
            known = _differing(relative_difference(found, expected))
            if isinstance(judged.source, nn.Module):
                self._results.differs[judged.source] = known
        return known

    @property
    def judged_as(self) -> dict[str, str]:
        """The form of verdicts, by its role; nothing before there was any."""
        return {role: form.name for role, form in self._forms.items() if role == "judged"}

    @property
    def rejected(self) -> tuple[str, ...]:
        """Why faster forms of the roles in use are not used."""
        return tuple(dict.fromkeys(reason for role in self._forms for reason in self._results.rejected(role)))

    def changed(self) -> tuple[str, ...]:
        """A remark where the deployed network now gives the compared images other logits than it did before."""
        if "judged" not in self._forms or self.remarks:
            return ()
        again = respond(self._forms["judged"], self._images(), gradients=False).logits
        if relative_difference(again, self._first) <= _CHANGED:
            return ()
        return (
            "the network gave the same images other logits after the attack than before it: it changes its own state, "
            "so that figures of it depend on what was computed before",
        )

    def _check_gradient(self) -> None:
        """Compare the gradient with what the logits do, once a network, unless it is known to be a surrogate."""
        if self._results.gradient is not None:
            return
        self._results.gradient = ()
        deployed = self._forms["judged"]
        known = self.module is not None and has_known_surrogates(self.module)
        if not (known or self.remarks or self.traits(self._images()).random):
            response, scores = (self._response(deployed, gradients=each) for each in (True, False))
            self._results.gradient = describe_gradient(deployed, self._images(), response, scores.logits)

    def _in_its_layout(self, images: Tensor) -> Form:
        traits = self.traits(images)
        plain = Form("plain", self._plain, takes=traits.takes, copies=traits.writes)
        if self.module is None or not traits.fast_forms or all(p.dim() != 4 for p in self.module.parameters()):
            return plain
        fast = replace(plain, name="channels-last", layout=torch.channels_last)
        known = ("judged", fast.name) in self._results.verdicts
        expected = None if known else self._response(plain, gradients=False)
        set_layout(self.module, torch.channels_last)
        if self._is_proved("judged", fast.name, fast, expected, None):
            return fast
        set_layout(self.module, torch.contiguous_format)
        return plain

    def _in_float32(self, role: Role, images: Tensor) -> Form:
        deployed = self.deployed(images)
        if self.module is None or not self.traits(images).fast_forms:
            return deployed
        for recipe, build in self._recipes(role):
            verdict = self._results.verdicts.get((role, recipe), "")
            form = build(self.module, deployed) if not verdict else None
            if form is not None and self._is_proved(role, recipe, form, None, build):
                return form
        if role == "scores" or deployed.name == "plain" or self._is_proved(role, deployed.name, deployed, None, None):
            return deployed
        return self._plain_again(deployed)

    def _recipes(self, role: Role) -> Iterator[tuple[str, _Build]]:
        """Ways to make a fast form, the fastest first."""
        if role == "scores" and self.device.type == "cpu":
            yield "fused", lambda module, like: without_gradients(module, like, self._folded_form(module, like))
        yield "folded", self._folded_form

    def _folded_form(self, module: nn.Module, like: Form) -> Form | None:
        if module is not self.module:
            return folded(module, like)
        if self._folded is None:
            self._folded = folded(module, like)
        return self._folded

    def _is_proved(self, role: str, recipe: str, form: Form, expected: Response | None, build: _Build | None) -> bool:
        """Whether `form` computes what the network computes, known from before or compared now."""
        verdicts, key = self._results.verdicts, (role, recipe)
        if key not in verdicts:
            deployed = self._forms.get("judged", form)
            gradients = role == "gradients"
            verdicts[key] = describe_difference(
                form,
                lambda images: self._plain_again(deployed)(images),
                self._images(),
                gradients=gradients,
                expected=expected or self._response(deployed, gradients=gradients),
                in_double=None if build is None else lambda: self._both_in_double(deployed, build),
            )
        return verdicts[key] is None

    def _in_bfloat16(self, role: Role, key: str, images: Tensor) -> Form:
        """The float32 form with passes in bfloat16, where that changes little: of the gradient, too, which shows signs
        that turn over before the logits do."""
        if role == "scores" and not self.form("gradients", images, "bf16").bf16:
            return self._forms[role]
        form, deployed = self._forms[role], self._forms["judged"]
        coarse: Form | None = replace(form, bf16=True, name=f"{form.name}, bfloat16")
        if "fused" in form.name and self.module is not None:
            made = without_gradients(self.module, deployed, self._folded_form(self.module, deployed), bf16=True)
            coarse = None if made is None else replace(made, bf16=True, name=f"{made.name}, bfloat16")
        if coarse is None:
            return form
        if (key, "bfloat16") not in self._results.verdicts:
            expected = self._response(deployed, gradients=role == "gradients")
            self._results.verdicts[key, "bfloat16"] = describe_bfloat16_difference(coarse, self._images(), expected)
        return form if self._results.verdicts[key, "bfloat16"] else coarse

    def _response(self, form: Form, *, gradients: bool) -> Response:
        """What the network computes of the images that forms are compared on, in its own layout."""
        if gradients not in self._responses:
            plain = replace(form, layout=torch.contiguous_format)
            if self.module is not None:
                set_layout(self.module, torch.contiguous_format)
            self._responses[gradients] = respond(plain, self._images(), gradients=gradients)
            if self.module is not None:
                set_layout(self.module, form.layout)
        return self._responses[gradients]

    def _plain_again(self, like: Form) -> Form:
        """The plain form beside one that has taken another layout."""
        if self.module is None:
            return like
        module = set_layout(copy_module(self.module), torch.contiguous_format)
        return replace(like, name="plain", network=module, layout=torch.contiguous_format)

    def _both_in_double(self, deployed: Form, build: _Build) -> tuple[Form, Form]:
        if self.module is None:
            raise AssertionError("a function has one form only")
        module = copy_module(self.module).double()
        made = build(module, deployed)
        if made is None:
            raise AssertionError("what could be made in float32 can be made in float64")
        return made.in_double(made.network), deployed.in_double(module)

    def _images(self) -> Tensor:
        if self._compared is None:
            raise AssertionError("forms are compared on images")
        return self._compared


def _differing(share: float) -> tuple[str, ...]:
    if share <= _TWIN:
        return ()
    return (
        f"the gradients come from a network whose logits differ from the judged one's by {share:.0%} of their spread: "
        "they are another network's in part, and what the attack leaves standing is not shown to be robust",
    )


def frozen(network: nn.Module | Scores | FrozenNetwork, device: torch.device) -> FrozenNetwork:
    """`network` as the harness computes it, if it is not that yet."""
    return network if isinstance(network, FrozenNetwork) else FrozenNetwork(network, device)
