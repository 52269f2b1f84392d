"""Begin training where the shipped network stands: its weights, taken back out of the ONNX file.

Checkpoints stay out of the repository; the float network is in it. Export folded each BatchNorm into the convolution
before it. Here every BatchNorm gets the statistics that training slices really have there, and the scale and offset
that leave the network's answers as they are.
"""

from itertools import pairwise
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn


def unfold(path: Path, network: nn.Module, slices: Tensor) -> None:
    """Give a new network the weights of an exported one of the same layers.

    Args:
        path: the float ONNX file.
        network: the new network, of the same recipe and width.
        slices: (B, 1, S, S) float32 in 0..1, training slices to take statistics from.

    Raises:
        ValueError: the file holds another network.
    """
    exported = read_convolutions(path)
    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    if {name: weight.shape for name, (weight, _) in exported.items()} != {
        name: module.weight.shape for name, module in convolutions.items()
    }:
        raise ValueError(f"{path} holds another network than the one to train.")
    modules = list(network.modules())
    with torch.no_grad():
        for name, (weight, bias) in exported.items():
            convolution = convolutions[name]
            convolution.weight.copy_(weight)
            if convolution.bias is not None:
                convolution.bias.copy_(bias)
            else:  # a BatchNorm follows, and holds it
                norm = modules[modules.index(convolution) + 1]
                pass_through(norm, bias)
        take_statistics(network, slices)


def read_convolutions(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Return weight and bias of each convolution, by the name of its module in PyTorch."""
    graph = onnx.load(path).graph
    values = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    return {
        module_name(node.name): (values[node.input[1]], values[node.input[2]])
        for node in graph.node
        if node.op_type == "Conv"
    }


def module_name(node_name: str) -> str:
    """Return the module that a node was traced from: `/network/up.0/body/body.3/Conv` was `up.0.body.3`."""
    parts = node_name.split("/")[2:-1]
    # What stands in a list or sequence is named with its owner, whose own name came before.
    return ".".join(part for part, member in pairwise([*parts, ""]) if not member.startswith(f"{part}."))


def pass_through(norm: nn.Module, bias: Tensor) -> None:
    """Let a BatchNorm add a bias and do nothing else."""
    assert isinstance(norm, nn.BatchNorm2d)
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)
    norm.bias.copy_(bias)


def take_statistics(network: nn.Module, slices: Tensor) -> None:
    """Let each BatchNorm normalise by what comes to it, and undo that with scale and offset."""

    def take(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.bias += mean
        norm.weight.copy_((variance + norm.eps).sqrt())

    hooks = [norm.register_forward_pre_hook(take) for norm in network.modules() if isinstance(norm, nn.BatchNorm2d)]
    network.eval()
    network(slices)
    for hook in hooks:
        hook.remove()
