"""Writes prequantized-{uint8,bfloat16,single}.safetensors: one weight as bitsandbytes stores it, and its dequantised values.

usage: prequantized.py OUT
"""
import sys, torch, bitsandbytes as bnb, bitsandbytes.functional as BF
from safetensors.torch import save_file

torch.manual_seed(7); torch.set_num_threads(1)
weight = (torch.randn(160, 192) * 0.02).to(torch.bfloat16)
for name, storage, nested in (("uint8", torch.uint8, True), ("bfloat16", torch.bfloat16, True), ("single", torch.uint8, False)):
    layer = bnb.nn.Linear4bit(192, 160, bias=False, compress_statistics=nested, quant_type="nf4", quant_storage=storage)
    layer.weight = bnb.nn.Params4bit(weight, requires_grad=False, compress_statistics=nested, quant_type="nf4", blocksize=64, quant_storage=storage).to("cpu")
    tensors = {"model.q_proj." + k: v.contiguous() for k, v in layer.state_dict().items()}
    tensors["dequantized"] = BF.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    save_file(tensors, f"{sys.argv[1]}/prequantized-{name}.safetensors", metadata={"format": "pt"})
    print(name, {k: (tuple(v.shape), v.dtype) for k, v in tensors.items()})
