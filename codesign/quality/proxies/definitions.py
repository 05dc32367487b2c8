"""The proxies: each with its paper, what exactly is computed here, on which scale, and what it cannot do.

More is said to be better, everywhere. Where a paper's score is a product or a sum over many orders of
magnitude its logarithm stands here, which ranks the same and does not overflow.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import torch

from codesign.quality.proxies.probe import NORMS, NoScoreError, Probe
from codesign.quality.proxies.score import ProxyScore
from hw_models.errors import UnknownNameError

if TYPE_CHECKING:
    from torch import nn

    from codesign.quality.proxies.batches import Batches
    from hw_models.workload.graph import Workload

EIGEN_FLOOR: Final = 1e-5
"""Added to eigenvalues of the correlation matrix. Source: Mellor et al., arXiv:2006.04647v1, 2020."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One training-free score.

    Attributes:
        name: as results have it.
        of: computes it.
        source: the paper.
        definition: what exactly is computed.
        scale: what the number is.
        needs: what the network is shown.
        cannot: where it says nothing, or the wrong thing.
    """

    name: str
    of: Callable[[Probe], float]
    source: str
    definition: str
    scale: str
    needs: str
    cannot: str

    def score(self, probe: Probe) -> ProxyScore:
        """The score of a network; none, with the reason, where the proxy does not apply to it."""
        try:
            return ProxyScore.of(self.name, self.of(probe), self.scale)
        except NoScoreError as error:
            return ProxyScore(self.name, None, self.scale, f"{self.name}: {error}")


def _params(probe: Probe) -> float:
    return float(probe.n_parameters)


def _macs(probe: Probe) -> float:
    return probe.macs


def synflow(probe: Probe) -> float:
    """Natural logarithm of sum |w * dR/dw| over weights; R: sum of logits of one image of ones, weights |w|.

    Norms are taken out of the forward pass and biases are made positive too. Double precision: the product
    over layers leaves the range of single precision.
    """
    module = copy.deepcopy(probe.module).double().eval()
    for layer in module.modules():
        if isinstance(layer, NORMS):
            layer.register_forward_hook(lambda _layer, given, _made: given[0])
    with torch.no_grad():
        for p in module.parameters():
            p.abs_()
    weights = [p for p in module.parameters() if p.ndim > 1]
    made = module(torch.ones(1, *probe.batches.shape, dtype=torch.float64))
    if not isinstance(made, torch.Tensor):
        raise NoScoreError("the network gives no single tensor")
    slopes = torch.autograd.grad(made.sum(), weights, allow_unused=True)
    total = sum(
        float((w * g).detach().abs().sum()) for w, g in zip(weights, slopes, strict=True) if g is not None
    )
    if total <= 0:
        raise NoScoreError("nothing flows from the image to the logits")
    return math.log(total)


def naswot(probe: Probe) -> float:
    """Logarithm of |det K|; K[i, j]: rectifiers' units that let both or neither of images i and j through."""
    kernel = None
    for code in probe.codes:
        on = code.float()
        part = (on @ on.T + (1 - on) @ (1 - on).T).double()
        kernel = part if kernel is None else kernel + part
    if kernel is None:
        raise NoScoreError("no rectifier")
    return float(torch.linalg.slogdet(kernel).logabsdet)


def jacob_cov(probe: Probe) -> float:
    """Minus sum of ln(v + k) + 1 / (v + k) over eigenvalues v of the correlation of images' Jacobians."""
    rows = probe.jacobian.double()
    centred = rows - rows.mean(1, keepdim=True)
    lengths = centred.norm(dim=1)
    if bool((lengths == 0).any()):
        raise NoScoreError("the logits of an image do not depend on its pixels")
    unit = centred / lengths[:, None]
    values = torch.linalg.eigvalsh(unit @ unit.T).clamp(min=0) + EIGEN_FLOOR
    return -float((values.log() + 1 / values).sum())


def grad_norm(probe: Probe) -> float:
    """Logarithm of the sum over weights of the Euclidean norm of the gradient."""
    total = sum(float(g.norm()) for g in probe.gradients(0))
    if total == 0:
        raise NoScoreError("all gradients are zero")
    return math.log(total)


def zico(probe: Probe) -> float:
    """Sum over layers of ln of sum over weights of mean / standard deviation of |gradient| over batches."""
    n = len(probe.batches.images)
    if n < 2:
        raise NoScoreError("one batch given, and a standard deviation needs two")
    total, layers = 0.0, 0
    for at in range(len(probe.weights)):
        sizes = torch.stack([probe.gradients(k)[at].abs() for k in range(n)]).double()
        mean, spread = sizes.mean(0), sizes.std(0, correction=0)
        moved = spread > 0
        if bool(moved.any()):
            total, layers = total + math.log(float((mean[moved] / spread[moved]).sum())), layers + 1
    if not layers:
        raise NoScoreError("no gradient changes from batch to batch")
    return total


_ABDELFATTAH: Final = "Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021"
_NING: Final = "Ning et al., Evaluating Efficient Performance Estimators of Networks, NeurIPS 2021"
_ALL: Final = (
    Proxy(
        name="parameters",
        of=_params,
        source=f"the plain baseline; {_NING}",
        definition="number of parameters of the module, each once",
        scale="count",
        needs="nothing",
        cannot="tells nothing of how layers are wired: a dead branch counts, a skip does not",
    ),
    Proxy(
        name="macs",
        of=_macs,
        source=f"the plain baseline; {_NING}",
        definition="multiply-accumulates of one image at batch 1",
        scale="count",
        needs="nothing",
        cannot="as parameters; a larger image scores higher whatever it shows",
    ),
    Proxy(
        name="synflow",
        of=synflow,
        source="Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic "
        f"flow, NeurIPS 2020; as a score of networks: {_ABDELFATTAH}",
        definition="ln of the sum of |w dR/dw| over kernels and matrices; R: sum of logits of one image of "
        "ones, all parameters made positive, norms taken out, double precision",
        scale="ln",
        needs="one image of ones",
        cannot="grows with depth and width without end; attention and other products of signals are no sum "
        "over paths; none for a network that cuts its image off",
    ),
    Proxy(
        name="naswot",
        of=naswot,
        source="Mellor et al., Neural Architecture Search without Training, ICML 2021",
        definition="ln |det K|, K[i, j]: units of all rectifiers that let both or neither of images i and j "
        "through; batch norms on the batch",
        scale="ln",
        needs="one batch of images, no labels",
        cannot="needs ReLU, ReLU6 or leaky ReLU throughout: none for networks with SiLU, GELU, hard-swish; "
        "grows with the number of units, so with the image, and with the batch",
    ),
    Proxy(
        name="jacob_cov",
        of=jacob_cov,
        source="Mellor et al., Neural Architecture Search without Training, first version, "
        f"arXiv:2006.04647v1, 2020; {_ABDELFATTAH}",
        definition="minus the sum of ln(v + 1e-5) + 1 / (v + 1e-5) over eigenvalues v of the correlation "
        "matrix of d(sum of logits) / d(pixels) of the images of a batch",
        scale="score",
        needs="one batch of images, no labels",
        cannot="one eigenvalue near zero, as of two equal images, outweighs all others",
    ),
    Proxy(
        name="grad_norm",
        of=grad_norm,
        source=_ABDELFATTAH,
        definition="ln of the sum over kernels and matrices of the Euclidean norm of the gradient of the "
        "mean cross-entropy of one batch",
        scale="ln",
        needs="one labelled batch",
        cannot="depends on how weights are drawn; large where a network is deep and badly scaled, too",
    ),
    Proxy(
        name="zico",
        of=zico,
        source="Li et al., ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients, ICLR 2023",
        definition="sum over kernels and matrices of ln of the sum over their weights of mean / standard "
        "deviation of |gradient| over the batches; weights whose gradient does not change are left out",
        scale="sum of ln",
        needs="two or more labelled batches",
        cannot="grows with the number of layers; with two batches weights whose gradients agree by chance "
        "weigh most",
    ),
)
PROXIES: Final[Mapping[str, Proxy]] = MappingProxyType({p.name: p for p in _ALL})
"""By name."""


def proxy_of(name: str) -> Proxy:
    """A proxy by name.

    Raises:
        UnknownNameError: a name that there is not.
    """
    if name not in PROXIES:
        raise UnknownNameError("proxy", name, PROXIES, f"known: {', '.join(PROXIES)}")
    return PROXIES[name]


def scores(
    module: nn.Module,
    batches: Batches,
    names: Iterable[str] = tuple(PROXIES),
    workload: Workload | None = None,
) -> dict[str, ProxyScore]:
    """Rank scores of one network by name; what proxies share is computed once.

    Args:
        module: with weights as drawn; left as it was.
        batches: what it is shown.
        names: of proxies.
        workload: of the network, for its MACs; None: it is traced.

    Raises:
        UnknownNameError: a name that there is not.
    """
    wanted = [proxy_of(name) for name in names]
    probe = Probe(module, batches, workload)
    return {p.name: p.score(probe) for p in wanted}
