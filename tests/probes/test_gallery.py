from __future__ import annotations

import numpy as np
import torch

from brinell.attacks import FGSM, PGD
from brinell.core import Point
from brinell.probes import Gallery, ProbeInput
from brinell.testing.linear_problems import many_classes
from brinell.variants import Variant


def test_pictures_are_what_the_record_says():
    problem = many_classes(6)
    variant = Variant.of(problem.network, input_shape=(3, 4, 4), classes=5)
    asked = ProbeInput(variant, problem.images, problem.labels, problem.ids)
    record, arrays = Gallery(attack=PGD(epsilon=0.05, steps=7), name="mine").ask(asked)
    assert (record["attack"], record["epsilon"], record["steps"]) == ("mine", 0.05, 7)
    assert arrays["clean"].shape == arrays["adversarial"].shape == (6, 4, 4, 3)
    assert np.abs(arrays["adversarial"] - arrays["clean"]).max() <= 0.05 + 1e-6
    seen = torch.from_numpy(arrays["adversarial"]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        assert [item["prediction"] for item in record["examples"]] == problem.network(seen).argmax(1).tolist()
    assert [item["label"] for item in record["examples"]] == problem.labels.tolist()
    assert [item["clean_prediction"] for item in record["examples"]] == problem.labels.tolist()


def test_an_attack_reads_from_yaml_and_its_name_is_no_part_of_the_key():
    one = Gallery.parse({"attack": {"kind": "fgsm", "epsilon": "8/255"}, "name": "a"})
    assert one.attack == FGSM(epsilon=8 / 255)
    assert one.attack.point == Point(8 / 255, 1)
    assert one.key == Gallery(attack=FGSM(epsilon=8 / 255)).key
    assert Gallery.parse(one.config()) == one
