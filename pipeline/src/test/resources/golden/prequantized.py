"""Writes prequantized-{uint8,bfloat16,single}.safetensors: one weight as bitsandbytes stores it, and its dequantised values;
and nf4-float16.safetensors: a float16 weight's codes and absmax.

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

half = (torch.randn(64, 130, generator=torch.Generator().manual_seed(7)) * torch.logspace(-6, 4, 64)[:, None]).to(torch.float16)
packed, state = BF.quantize_4bit(half, blocksize=64, compress_statistics=False, quant_type="nf4")
save_file({"input": half, "packed": packed.flatten(), "absmax": state.absmax, "dequantized": BF.dequantize_4bit(packed, state).float()},
          f"{sys.argv[1]}/nf4-float16.safetensors", metadata={"format": "pt"})
