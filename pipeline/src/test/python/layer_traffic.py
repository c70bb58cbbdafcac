"""Counts what a decoder layer of scripts.py starts and moves: kernels, products, and the bytes that all other kernels
read and write for a token, by its widths. For LayerKernels of plan. Any torch 2.7 or later, without a GPU:

    python pipeline/src/test/python/layer_traffic.py
"""
import io
import pathlib
import zipfile

import torch
from torch.utils._python_dispatch import TorchDispatchMode

SCRIPTS = pathlib.Path(__file__).parents[2] / "main/resources/org/sparkfinetune/engine/tensor/scripts.py"
VIEWS = {
    "view", "_unsafe_view", "t", "transpose", "narrow", "slice", "select", "unsqueeze", "squeeze", "permute", "expand",
    "detach", "alias", "_reshape_alias", "split", "chunk", "empty", "empty_like", "as_strided",
}
PRODUCTS = {"mm", "addmm", "addmm_", "bmm", "matmul", "linear"}
FILLS = {"zeros", "zeros_like", "full", "full_like", "ones", "zero_", "fill_", "arange", "copy_"}


def compiled():
    def attribute(name):
        return b"X" + bytes([len(name), 0, 0, 0]) + name.encode() + b"\x89"

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as zip_file:
        zip_file.writestr("ops/version", b"10\n")
        head = b"\x80\x02c__torch__\nOps\n\x29\x81}("
        zip_file.writestr("ops/data.pkl", head + attribute("training") + attribute("blocks") + b"ub.")
        zip_file.writestr("ops/constants.pkl", b"\x80\x02).")
        zip_file.writestr("ops/code/__torch__.py", SCRIPTS.read_text())
    archive.seek(0)
    return torch.jit.load(archive)


def tensors(values):
    if isinstance(values, torch.Tensor):
        return [values]
    return [t for v in values for t in tensors(v)] if isinstance(values, (list, tuple)) else []


def bytes_of(tensor):
    elements = 1
    for size, stride in zip(tensor.shape, tensor.stride()):
        elements *= size if stride else 1
    return elements * tensor.element_size()


class Counter(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.kernels = self.products = self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function.__name__.split(".")[0]
        if name in VIEWS:
            return result
        self.kernels += 1
        if name in PRODUCTS:
            self.products += 1
        elif "attention" not in name:
            read = [] if name in FILLS else tensors(list(args))
            if name == "copy_":
                read = [args[1]]
            self.bytes += sum(map(bytes_of, read + tensors(result)))
        return result


def count(module, hidden, inner, heads, groups, dropout, keep, tokens=64, head_dim=64):
    def random(*shape):
        return torch.randn(*shape, dtype=torch.bfloat16) * 0.02

    none = torch.empty(0)
    queries, keys = heads * head_dim, groups * head_dim
    shapes = [(hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden), (hidden, inner), (hidden, inner),
              (inner, hidden)]
    linears = [random(out, inp) for inp, out in shapes]
    ones = torch.ones(hidden, dtype=torch.bfloat16)
    weights = [ones] + linears[:4] + [ones] + linears[4:] + [none] * 11
    lora = [part for inp, out in shapes for part in (random(16, inp), random(out, 16))] + [none] * 7
    masks = [random(tokens, inp) if dropout else none for inp, _ in shapes]
    x, turn = random(tokens, hidden), random(tokens, 1, head_dim)
    rest = (weights, lora, masks, [2.0] * 7, turn, turn, [0, tokens], [head_dim, 0, 0, 0, 0],
            [1e-5, head_dim**-0.5, 1.0, 0.0])
    with torch.no_grad(), Counter() as forward:
        out = module.layer(x, *rest, keep)
    with torch.no_grad(), Counter() as backward:
        module.layer_backward(x, x, out[1:], *rest, False)
    return forward, backward


def main():
    module = compiled()
    for dropout in (False, True):
        for keep, name in enumerate(("true", "selective", "false")):
            plain = count(module, 512, 512, 8, 2, dropout, keep)
            wider = [count(module, 1024, 512, 8, 2, dropout, keep), count(module, 512, 1024, 8, 2, dropout, keep),
                     count(module, 512, 512, 16, 2, dropout, keep), count(module, 512, 512, 8, 4, dropout, keep)]
            for direction, words in enumerate(("forward", "backward")):
                one = plain[direction]
                by_width = [(w[direction].bytes - one.bytes) / 64 / added
                            for w, added in zip(wider, (512, 512, 512, 128))]
                print(f"dropout {dropout!s:5} gradient_checkpointing {name:9} {words:8} {one.kernels} kernels, "
                      f"{one.products} products; bytes a token for each number of hidden, inner, queries, keys: "
                      + ", ".join(f"{b:.1f}" for b in by_width))


if __name__ == "__main__":
    main()
