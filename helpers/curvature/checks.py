"""What the formulas assume of a model and a loss, put to the test before any work."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from helpers.curvature.losses import Loss


def check_problem(model: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss):
    """Refuse what would make the answer meaningless, in one line that says why."""
    if len(inputs) != len(targets):
        raise ValueError(
            f"{len(inputs)} inputs but {len(targets)} targets: pass one target each"
        )
    check_model(model)
    outputs = check_outputs(model, inputs)
    _check_mean(loss, outputs, targets[: len(outputs)])


def check_model(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            raise ValueError(
                f"dropout {name!r} is in train mode, so the loss is random: "
                "call model.eval() first"
            )
        if isinstance(module, _BatchNorm) and (
            module.training or module.running_mean is None
        ):
            raise ValueError(
                f"batch-norm {name!r} uses batch statistics, which couple the examples:"
                " give it running statistics and call model.eval() first"
            )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("no parameter requires a gradient: unfreeze one first")


@torch.no_grad()
def check_outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """The outputs of the first examples, after two looks at the model's behaviour."""
    few = inputs[:3]
    outputs = model(few)
    if outputs.ndim != 2 or len(outputs) != len(few):
        raise ValueError(
            f"the model maps {len(few)} inputs to {tuple(outputs.shape)}: "
            "it must return shape (n, C)"
        )
    if not torch.allclose(outputs, model(few), equal_nan=True):
        raise ValueError(
            "the model's outputs are random: call model.eval() or fix its noise first"
        )
    return outputs


@torch.no_grad()
def _check_mean(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    """With one example counted twice, a mean is still the mean of what it counts."""
    examples = [*range(len(outputs)), 0]
    together = loss(outputs[examples], targets[examples])
    if together.ndim:
        raise ValueError("the loss is not one number: use a mean over examples")
    each = torch.stack([loss(outputs[[i]], targets[[i]]) for i in examples])
    tolerance = 100 * torch.finfo(outputs.dtype).eps
    if not torch.isclose(together, each.mean(), rtol=tolerance, atol=tolerance):
        raise ValueError(
            "the loss is not a mean over examples: divide its sum by len(outputs)"
        )
