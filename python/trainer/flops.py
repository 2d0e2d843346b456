"""How much arithmetic a token costs, and how much of it a device could do: model FLOPs utilisation.

The arithmetic of a training step is counted as Chowdhery et al. (2022, *PaLM*, appendix B) do, for a token::

    6·N + 12·L·h·S

with N the parameters without the input embedding (a row of it is looked up, not multiplied; a matrix that is
input and output at once is multiplied as output and counts), L the layers, h the width of the attention
(heads times the width of a head) and S the length of a row. 6 is two operations a parameter forward and four
backward. The second term counts attention as if every token saw the whole row, as the field does, although
half of that is masked; activations that are computed twice to save memory are not counted twice. The figure
is the arithmetic that the model needs, not what the device did.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, Self

FORMULA = "6·N + 12·L·h·S"
"""The floating-point operations of a token, in the words of this module."""


class Described(Protocol):
    """What is read of a configuration: transformers' ``LlamaConfig`` has all of it."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    tie_word_embeddings: bool


@dataclass(frozen=True, kw_only=True)
class LlamaSizes:
    """The sizes of a Llama, from which its parameters and its arithmetic follow.

    Attributes
    ----------
    vocabulary, width, inner_width, layers
        Rows of the embedding, width of the residual stream and inside the feed-forward blocks, layers.
    heads, shared_heads, head_width
        Query heads, key and value heads, and the width of each.
    tied
        Whether one matrix is input and output.
    attention_bias, feed_forward_bias
        Whether the projections of the attention and of the feed-forward blocks have biases.
    """

    vocabulary: int
    width: int
    inner_width: int
    layers: int
    heads: int
    shared_heads: int
    head_width: int
    tied: bool = False
    attention_bias: bool = False
    feed_forward_bias: bool = False

    @classmethod
    def of(cls, config: Described) -> Self:
        """Read the sizes of a ``LlamaConfig``, or of anything with its attributes."""
        head_width: Any = getattr(config, "head_dim", None)
        return cls(
            vocabulary=config.vocab_size,
            width=config.hidden_size,
            inner_width=config.intermediate_size,
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            shared_heads=config.num_key_value_heads or config.num_attention_heads,
            head_width=head_width or config.hidden_size // config.num_attention_heads,
            tied=config.tie_word_embeddings,
            attention_bias=bool(getattr(config, "attention_bias", False)),
            feed_forward_bias=bool(getattr(config, "mlp_bias", False)),
        )

    @classmethod
    def of_description(cls, described: Mapping[str, Any]) -> Self:
        """Read the sizes from a ``config.json``, which may leave out what has a default in transformers.

        Raises
        ------
        AttributeError
            When it says nothing of a size that has none.
        """
        defaults = {"num_key_value_heads": None, "tie_word_embeddings": False}
        return cls.of(SimpleNamespace(**{**defaults, **described}))

    @property
    def attention_width(self) -> int:
        """Width of all query heads together: h of the formula."""
        return self.heads * self.head_width

    @property
    def layer_parameters(self) -> int:
        """Parameters of one layer: four projections, three matrices, two norms, and biases if any."""
        queries, keys = self.attention_width, self.shared_heads * self.head_width
        attention = 2 * self.width * queries + 2 * self.width * keys
        feed_forward = 3 * self.width * self.inner_width
        biases = (queries + 2 * keys + self.width) * self.attention_bias
        biases += (2 * self.inner_width + self.width) * self.feed_forward_bias
        return attention + feed_forward + biases + 2 * self.width

    @property
    def parameters(self) -> int:
        """All parameters, a matrix that is input and output at once counted once."""
        matrices = 1 if self.tied else 2
        return matrices * self.vocabulary * self.width + self.layers * self.layer_parameters + self.width

    @property
    def parameters_without_embedding(self) -> int:
        """N of the formula: those that every token is multiplied with."""
        return self.parameters - (0 if self.tied else self.vocabulary * self.width)

    def flops_per_token(self, length: int, *, trained: int | None = None) -> float:
        """Return the floating-point operations that training needs for a token.

        Parameters
        ----------
        length
            Tokens in a row: S of the formula.
        trained
            How many of N are trained, where some are frozen: for the others the two operations of the
            gradient with respect to a weight fall away. None: all.
        """
        counted = self.parameters_without_embedding
        trained = counted if trained is None else min(trained, counted)
        attention = 12 * self.layers * self.attention_width * length
        return float(4 * counted + 2 * trained + attention)


def flops_in_words(operations: float) -> str:
    """Write a number of floating-point operations with its unit.

    Examples
    --------
    >>> flops_in_words(1.5934e9), flops_in_words(6_691_584)
    ('1.593 GFLOP', '6.692 MFLOP')
    """
    for unit, factor in (("TFLOP", 1e12), ("GFLOP", 1e9), ("MFLOP", 1e6)):
        if operations >= factor:
            return f"{operations / factor:.4g} {unit}"
    return f"{operations:,.0f} FLOP"


@dataclass(frozen=True)
class Peak:
    """What a device can do at most.

    Attributes
    ----------
    names
        Parts that must all be in the device's name, as torch gives it, in capitals.
    teraflops
        Dense (not sparse) bf16 matrix products with sums in fp32, 10¹² operations a second.
    source
        Where the figure was published.
    """

    names: tuple[str, ...]
    teraflops: float
    source: str


# As of November 2026. The maker's headline figures are for sparse matrices, twice these. The first entry
# whose parts are all in a name applies, so special forms come before the plain ones.
PEAKS = (
    Peak(("B200",), 2250.0, "NVIDIA DGX B200 datasheet: 36 PFLOPS sparse in bf16 for eight"),
    Peak(("GH200",), 989.0, "NVIDIA GH200 datasheet, H100 part"),
    Peak(("H200", "NVL"), 835.5, "NVIDIA H200 datasheet, NVL column"),
    Peak(("H200",), 989.0, "NVIDIA H200 datasheet, SXM column"),
    Peak(("H100", "NVL"), 835.5, "NVIDIA H100 datasheet, NVL column"),
    Peak(("H100", "PCIE"), 756.5, "NVIDIA H100 datasheet, PCIe column of 2022"),
    Peak(("H100",), 989.0, "NVIDIA H100 datasheet, SXM column"),
    Peak(("H800", "PCIE"), 756.5, "as H100 PCIe; only its links are slower"),
    Peak(("H800",), 989.0, "as H100 SXM; only its links are slower"),
    Peak(("A100",), 312.0, "NVIDIA A100 datasheet, SXM and PCIe alike"),
    Peak(("A800",), 312.0, "as A100; only its links are slower"),
    Peak(("A40",), 149.7, "NVIDIA A40 datasheet"),
    Peak(("A30",), 165.0, "NVIDIA A30 datasheet"),
    Peak(("L40S",), 362.05, "NVIDIA L40S datasheet"),
    Peak(("L40",), 181.05, "NVIDIA L40 datasheet"),
    Peak(("L4",), 121.0, "NVIDIA L4 datasheet: 242 with sparsity"),
    Peak(("RTX 6000 ADA",), 364.2, "NVIDIA Ada professional GPU architecture paper"),
    Peak(("RTX A6000",), 154.8, "NVIDIA Ampere GA102 architecture paper"),
    Peak(("RTX 4090",), 165.2, "NVIDIA Ada GPU architecture paper, sums in fp32"),
    Peak(("RTX 3090",), 71.0, "NVIDIA Ampere GA102 architecture paper, sums in fp32"),
)


def known_peak(device: str, precision: str = "bf16-mixed") -> Peak | None:
    """Return the peak of a device, or None where it is not known: nothing is guessed, and no CPU is known.

    Parameters
    ----------
    device
        Its name, such as ``NVIDIA H200``.
    precision
        As Lightning names it; the peaks are those of bf16, and only hold where that is used.
    """
    if not precision.startswith("bf16"):
        return None
    words = device.upper().replace("-", " ").split()
    for peak in PEAKS:
        if all(_contains(words, name.split()) for name in peak.names):
            return peak
    return None


def _contains(words: list[str], wanted: list[str]) -> bool:
    """Whether some words stand side by side among others: ``L4`` is not in ``L40``."""
    return any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))


@dataclass(frozen=True)
class Arithmetic:
    """What the tokens of a run cost, and what its devices could do.

    Attributes
    ----------
    device
        The device's name.
    flops_per_token
        Floating-point operations that training needs for a token.
    peak_teraflops
        Of all devices together, 10¹² operations a second; None where it is not known.
    peak_from
        Where the peak comes from, in words.
    """

    device: str
    flops_per_token: float
    peak_teraflops: float | None
    peak_from: str

    def teraflops(self, tokens_per_second: float) -> float:
        """Return what is achieved, in 10¹² operations a second."""
        return tokens_per_second * self.flops_per_token / 1e12

    def utilisation(self, tokens_per_second: float) -> float | None:
        """Return the share of the peak that is achieved (MFU); None where the peak is not known."""
        return (
            None if self.peak_teraflops is None else self.teraflops(tokens_per_second) / self.peak_teraflops
        )
