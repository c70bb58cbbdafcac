"""Greedy continuations of 20 prompts by transformers and PEFT: the golden model with a LoRA adapter (16-bit base) and
with a QLoRA adapter (base dequantised from bitsandbytes' NF4, float32). Run in this folder: python generate-adapters.py
"""

import json

import bitsandbytes.functional as BF
import torch
from peft import PeftModel
from transformers import LlamaForCausalLM

torch.set_num_threads(1)
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def base(quantize):
    model = LlamaForCausalLM.from_pretrained("model", dtype=torch.float32)
    for name, module in model.named_modules():
        if quantize and name.split(".")[-1] in TARGETS:
            packed, state = BF.quantize_4bit(
                module.weight.data.to(torch.bfloat16), blocksize=64, compress_statistics=True, quant_type="nf4"
            )
            state.dtype = torch.float32
            module.weight.data = BF.dequantize_4bit(packed, state).float()
    return model


generator = torch.Generator().manual_seed(11)
prompts = [torch.randint(3, 320, (1, 1 + 2 * i), generator=generator) for i in range(20)]
result = {"prompts": [p[0].tolist() for p in prompts]}
for name, quantize in (("trajectory-lora-float32", False), ("trajectory-qlora-float32", True)):
    model = PeftModel.from_pretrained(base(quantize), name + ".adapter").eval()
    texts = []
    for prompt in prompts:
        text = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=24,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        texts.append(text[0, prompt.shape[1] :].tolist())
    result[name] = texts
    ids = torch.tensor([result["prompts"][19] + texts[19]])
    with torch.no_grad():
        logits = model(ids).logits[0].float()
    result[name + "-loss"] = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).item()
with open("generate-adapters.json", "w") as out:
    json.dump(result, out)
    out.write("\n")
