"""Codings, one file each: exact ways to turn bit patterns into streams of bytes that DEFLATE shortens well."""

from brinell.container.codings.bits import SignBits
from brinell.container.codings.codebook import CodeBook
from brinell.container.codings.coding import Coding
from brinell.container.codings.dense import Dense
from brinell.container.codings.int8 import Int8
from brinell.container.codings.nested_bits import NestedBits
from brinell.container.codings.power_of_two import PowerOfTwo
from brinell.container.codings.sparse import Sparse
from brinell.core import Registry

CODINGS: Registry[Coding] = Registry("coding", SignBits, NestedBits, PowerOfTwo, Int8, CodeBook, Sparse, Dense)

__all__ = ["CODINGS", "CodeBook", "Coding", "Dense", "Int8", "NestedBits", "PowerOfTwo", "SignBits", "Sparse"]
