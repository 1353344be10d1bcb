"""Every lay-out of every coding decodes to the bits it was made of, within the lengths it declares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from brinell.container.bit_patterns import DTYPES, MANTISSA, BitPatterns, Layout
from brinell.container.byte_planes import words_of
from brinell.container.codings import CODINGS, CodeBook, Dense, Int8, NestedBits, PowerOfTwo, SignBits, Sparse
from brinell.core import StoreError

ZERO = 0


@st.composite
def vectors(draw: st.DrawFn) -> BitPatterns:
    """Bit patterns of a type: any at all, or drawn from a few (which zero may be among), or powers of two, or +-s."""
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    layout = Layout(dtype, 0, 1)
    any_word = st.integers(0, 2 ** (8 * layout.itemsize) - 1)
    power = st.integers(1, 2 * layout.bias) if dtype in MANTISSA else any_word
    style = draw(st.sampled_from(["any", "few", "powers", "signs", "nested", "steps"]))
    if style == "any":
        pool = any_word
    elif style == "few":
        pool = st.sampled_from([*draw(st.lists(any_word, min_size=1, max_size=6)), ZERO])
    elif style == "signs":
        one = draw(any_word) & (layout.sign - 1)
        pool = st.sampled_from([one, one | layout.sign])
    elif style == "steps" and dtype == "float32":
        return draw(steps())
    elif style == "nested" and dtype in MANTISSA:
        return draw(nested(layout, draw(any_word) & (layout.sign - 1)))
    else:
        low, shift = draw(power), MANTISSA.get(dtype, 0)
        near = [min(low + more, 2 * layout.bias) if dtype in MANTISSA else low for more in range(3)]
        pool = st.sampled_from([ZERO, *(exponent << shift for exponent in near)])
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(0, 60))
    bits = draw(arrays.arrays(layout.word, rows * columns, elements=pool, fill=st.nothing()))
    return BitPatterns(Layout(dtype, rows * columns, rows if columns else 1), bits)


@st.composite
def nested(draw: st.DrawFn, layout: Layout, magnitude: int) -> BitPatterns:
    """Bases of +-s of which each is positive wherever the one before it is."""
    bases, count = draw(st.integers(2, 7)), draw(st.integers(1, 60))
    levels = draw(arrays.arrays(np.uint8, count, elements=st.integers(0, bases)))
    negative = levels < bases - np.arange(bases)[:, None]
    bits = np.where(negative, magnitude | layout.sign, magnitude).astype(layout.word).reshape(-1)
    return BitPatterns(Layout(layout.dtype, bases * count, bases), bits)


@st.composite
def steps(draw: st.DrawFn) -> BitPatterns:
    """Whole numbers of 8 bits times a scale a filter."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(16, 60))
    low = draw(st.integers(-255, 0))
    whole = draw(arrays.arrays(np.int16, (rows, columns), elements=st.integers(low, low + 255)))
    scale = draw(arrays.arrays(np.float32, (rows, 1), elements=st.floats(2.0**-20, 2.0**20, width=32)))
    values = whole.astype(np.float32) * scale
    return BitPatterns(Layout("float32", rows * columns, rows), values.reshape(-1).view("<u4"))


@settings(deadline=None)
@given(vectors())
def test_every_layout_decodes_to_what_it_encoded(vector: BitPatterns) -> None:
    tried = 0
    for kind in CODINGS:
        for coding, streams in CODINGS[kind].encode(vector):
            tried += 1
            again = CODINGS.parse(coding.config())
            most = again.most(vector.layout)
            assert len(streams) == len(most)
            assert all(len(stream) <= limit for stream, limit in zip(streams, most, strict=True))
            assert np.array_equal(again.decode(streams, vector.layout), vector.bits)
    assert tried


def layouts(kind: type, values: list[float] | torch.Tensor, dtype: torch.dtype = torch.float32) -> list:
    return list(kind.encode(BitPatterns.of([torch.as_tensor(values, dtype=dtype)])))


def test_negative_zero_is_a_value_and_zero_is_not() -> None:
    vector = BitPatterns.of([torch.tensor([0.0, -0.0, 1.0])])
    assert vector.mask.tolist() == [False, True, True]
    assert len(vector.levels) == 2


@pytest.mark.parametrize("positions", [[0], [254], [255], [256], [0, 255, 511, 1000], [999], [], list(range(1001))])
def test_gaps_of_any_length(positions: list[int]) -> None:
    values = torch.zeros(1001)
    values[positions] = torch.arange(1.0, len(positions) + 1)
    vector = BitPatterns.of([values])
    for coding, streams in Sparse.encode(vector):
        assert np.array_equal(coding.decode(streams, vector.layout), vector.bits)


def test_gaps_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brinell.container.positions.CHUNK", 7)
    monkeypatch.setattr("brinell.container.byte_planes.CHUNK", 5)
    monkeypatch.setattr("brinell.container.bit_patterns.CHUNK", 11)
    draw = torch.Generator().manual_seed(0)
    for density in (0.01, 0.1, 0.5):
        values = torch.randint(1, 9, (5000,), generator=draw) * (torch.rand(5000, generator=draw) < density)
        vector = BitPatterns.of([values.float() * 0.3])
        for kind in (Sparse, CodeBook, Dense):
            for coding, streams in kind.encode(vector):
                assert np.array_equal(coding.decode(streams, vector.layout), vector.bits)


def test_a_gap_of_random_zeros_takes_the_bytes_that_the_page_says() -> None:
    ((_, streams), _) = layouts(Sparse, [0.0] * 256 + [1.5] + [0.0] * 3 + [2.5])[::2]
    assert streams[0].tolist() == [255, 1, 3]


def test_powers_of_two_and_nothing_else() -> None:
    assert layouts(PowerOfTwo, [0.5, -0.25, 0.0, 2.0**-126, 2.0**127][:3])
    assert not layouts(PowerOfTwo, [0.5, 0.75])
    assert not layouts(PowerOfTwo, [0.5, -0.0])  # a sign without a value: only a book can tell it
    assert not layouts(PowerOfTwo, [0.5, 2.0**-149])  # not normalised
    assert not layouts(PowerOfTwo, [2.0**-126, 2.0**127])  # a book of two is shorter
    assert not layouts(PowerOfTwo, [1, 2, 4], torch.int32)
    ((coding, streams), *_) = layouts(PowerOfTwo, [0.25, -0.5, -0.25, 0.5])
    assert (coding.low, coding.exponents, coding.zero) == (-2, 2, False)
    assert streams[0].tolist() == [0, 3, 1, 2]


def test_one_scale_or_one_a_filter() -> None:
    signs = torch.tensor([[1.0, -1, 1, 1, -1, -1, -1, 1]] * 3)
    ((coding, streams),) = layouts(SignBits, signs)
    assert coding.scales == 1
    assert streams[1].tolist() == [0b01001110] * 3
    ((coding, _),) = layouts(SignBits, signs * torch.tensor([[0.5], [0.25], [3.0]]))
    assert coding.scales == 3
    assert not layouts(SignBits, signs.T * torch.tensor([0.5, 0.25, 3.0]))
    assert not layouts(SignBits, torch.tensor([[1.0], [2.0]]))  # a filter of one weight needs no sign apart


def test_nested_bases_are_one_level_a_weight() -> None:
    levels = torch.tensor([[0, 1, 3], [2, 3, 0]])
    bits = torch.where(levels >= torch.tensor([3, 2, 1])[:, None, None], 0.5, -0.5)
    (coding, streams), (packed, _) = layouts(NestedBits, bits)
    assert (coding.bases, coding.codes.count, packed.codes.per_byte) == (3, 6, 4)
    assert streams[1].tolist() == [0, 1, 3, 2, 3, 0]
    assert not layouts(NestedBits, -bits)  # the last base is the most positive one
    assert not layouts(NestedBits, bits[:1])
    assert not layouts(NestedBits, bits * torch.tensor([1.0, 2, 1])[:, None, None])


def test_whole_numbers_times_a_scale() -> None:
    draw = torch.Generator().manual_seed(0)
    for low, high in ((-127, 127), (-128, 127), (-3, 252), (-7, 7)):
        whole = torch.randint(low, high + 1, (40, 90), generator=draw).float()
        whole[:, :2] = torch.tensor([low, high])
        scales = torch.rand(40, 1, generator=draw) + 0.01
        ((coding, streams), *_) = layouts(Int8, whole * scales)
        assert (coding.low, coding.levels, coding.scales) == (low, high - low + 1, 40)
        assert np.array_equal(
            words_of(streams[:1], Layout("float32", 40, 1), 40), scales.numpy().view("<u4").reshape(-1)
        )
        assert layouts(Int8, whole * scales[0])[0][0].scales == 1
    assert not layouts(Int8, torch.randn(40, 90))
    assert not layouts(Int8, whole.double() * scales, torch.float64)
    assert not layouts(Int8, torch.nextafter(whole * scales, torch.tensor(9e9)))  # products, to the bit
    assert not layouts(Int8, torch.where(whole == 0, -0.0, whole * scales))
    assert not layouts(Int8, torch.zeros(40, 90))
    wide = torch.arange(-150.0, 150).repeat(3, 1)
    assert not layouts(Int8, wide * 0.1)


def test_more_than_256_values_have_no_book() -> None:
    assert layouts(CodeBook, torch.arange(256), torch.int32)
    assert not layouts(CodeBook, torch.arange(1, 258), torch.int32)
    assert not layouts(CodeBook, torch.randn(5000))


CONTRADICTIONS = [
    (Dense(apart=False), [39], "take 40 bytes"),
    (Dense(apart=True), [10, 10, 11, 9], "take 40 bytes"),
    (Sparse(where="gaps", count=2, apart=False), [3, 8], "3 places are told for 2 values"),
    (Sparse(where="mask", count=2, apart=False), [1, 8], "takes 2 bytes"),
    (Sparse(where="mask", count=2, apart=False), [2, 8], "0 places are told"),
    (SignBits(scales=1), [4, 1], "10 signs take 2 bytes"),
    (CodeBook(levels=2, codes={"where": "all", "count": 10, "per_byte": 8}), [8, 1], "10 codes take 2 bytes"),
    (NestedBits(bases=2, codes={"where": "all", "count": 5, "per_byte": 1}), [4, 6], "5 codes take 5 bytes"),
    (NestedBits(bases=2, codes={"where": "all", "count": 5, "per_byte": 1}), [3, 5], "1 values of float32 take 4"),
]


@pytest.mark.parametrize(("coding", "lengths", "message"), CONTRADICTIONS)
def test_streams_of_other_lengths_are_refused(coding: Dense, lengths: list[int], message: str) -> None:
    streams = [np.zeros(length, np.uint8) for length in lengths]
    with pytest.raises(StoreError, match=message):
        coding.decode(streams, Layout("float32", 10, coding.bases if isinstance(coding, NestedBits) else 1))


def test_places_and_codes_outside_are_refused() -> None:
    layout, one = Layout("float32", 10, 1), np.zeros(4, np.uint8)
    sparse = Sparse(where="gaps", count=1, apart=False)
    with pytest.raises(StoreError, match="ends at 10, outside the 10"):
        sparse.decode([np.array([10], np.uint8), one], layout)
    with pytest.raises(StoreError, match="outside"):
        sparse.decode([np.array([0, 255], np.uint8), one], layout)
    book = CodeBook(levels=3, codes={"where": "all", "count": 10, "per_byte": 1})
    with pytest.raises(StoreError, match="outside its alphabet of 3"):
        book.decode([np.zeros(12, np.uint8), np.full(10, 3, np.uint8)], layout)
    nested = NestedBits(bases=2, codes={"where": "all", "count": 5, "per_byte": 1})
    with pytest.raises(StoreError, match="outside its alphabet of 3"):
        nested.decode([one, np.full(5, 3, np.uint8)], Layout("float32", 10, 2))
    with pytest.raises(StoreError, match="a magnitude has no sign"):
        nested.decode([np.array([1, 0, 0, 0], np.uint8), np.zeros(5, np.uint8)], Layout("float32", 10, 2))


@pytest.mark.parametrize(
    "coding",
    [
        Sparse(where="gaps", count=11, apart=False),
        SignBits(scales=3),
        PowerOfTwo(low=-200, exponents=2, zero=False, codes={"where": "all", "count": 10, "per_byte": 1}),
        PowerOfTwo(low=120, exponents=9, zero=False, codes={"where": "all", "count": 10, "per_byte": 1}),
        PowerOfTwo(low=0, exponents=9, zero=True, codes={"where": "all", "count": 10, "per_byte": 2}),
        CodeBook(levels=2, codes={"where": "all", "count": 9, "per_byte": 1}),
        Int8(scales=5, low=-1, levels=3, codes={"where": "all", "count": 10, "per_byte": 1}),
        Int8(scales=2, low=-1, levels=200, codes={"where": "all", "count": 10, "per_byte": 2}),
        CodeBook(levels=200, codes={"where": "gaps", "count": 9, "per_byte": 2}),
        NestedBits(bases=5, codes={"where": "all", "count": 2, "per_byte": 1}),
        NestedBits(bases=2, codes={"where": "all", "count": 10, "per_byte": 1}),
        NestedBits(bases=2, codes={"where": "gaps", "count": 5, "per_byte": 1}),
    ],
)
def test_parameters_that_cannot_be_are_refused_before_anything_is_read(coding: Dense) -> None:
    with pytest.raises(StoreError):
        coding.most(Layout("float32", 10, 2))
