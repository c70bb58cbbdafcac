"""PyTorch's side of a comparison: N optimizer steps on packed rows with torch, transformers and PEFT.

usage: parity.py --model FOLDER --rows FILE --output FOLDER [--adapter FOLDER | --full] [--steps 20] [--rows_per_step 4]
                 [--nf4] [--bf16] [--cross_sample_attention] [--learning_rate 2e-4] [--schedule constant] [--warmup_steps 0]
                 [--weight_decay 0] [--max_grad_norm 0.3] [--beside FOLDER]
Writes losses.json, and the adapter (PEFT) or the weights. --beside: what `spark-finetune.jar parity` wrote; prints how far apart.
needs: torch transformers peft safetensors, and bitsandbytes for --nf4
"""
import argparse, json, re
from pathlib import Path
import torch, torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, get_scheduler

FIELDS = ("input_ids", "labels", "position_ids", "segment_ids")


def read_rows(file):
    """From a safetensors file, or a folder with train-*.parquet."""
    if Path(file).is_dir():
        import pyarrow.parquet as parquet
        tables = [parquet.read_table(part, columns=list(FIELDS)).to_pydict() for part in sorted(Path(file).glob("train-*.parquet"))]
        return [[torch.tensor(t[k][i]) for k in FIELDS] for t in tables for i in range(len(t["input_ids"]))]
    tensors = load_file(file)
    return [[tensors[k][i].long() for k in FIELDS] for i in range(len(tensors["input_ids"]))]


def forward(model, row, cross=False):
    """Logits, the sum of losses and the number of trained tokens; a sample never predicts the next one's first token."""
    ids, labels, positions, segments = row
    kept = segments >= 0
    ids, labels, positions, segments = (x[kept] for x in (ids, labels, positions, segments))
    n = len(ids)
    if cross:
        segments, positions = torch.zeros_like(segments), torch.arange(n)
    mask = torch.tril(segments[:, None] == segments[None, :])
    dtype = next(p for p in model.parameters()).dtype
    bias = torch.zeros(n, n, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)[None, None]
    logits = model(input_ids=ids[None], position_ids=positions[None], attention_mask=bias, use_cache=False).logits[0].float()
    target = torch.cat([labels[1:], torch.tensor([-100])])
    target[:-1][segments[1:] != segments[:-1]] = -100
    return logits, F.cross_entropy(logits, target, ignore_index=-100, reduction="sum"), int((target != -100).sum())


def nf4(weight):
    """What 4 bits and double quantisation make of a weight (float32), by bitsandbytes' codes and maps, decoded here: its CPU
    kernel takes absmax of the wrong row with AVX-512 where rows are no multiple of 64 wide, and on any CPU it finds
    nested codes in a table of 65,536 steps, which for a few blocks in a thousand gives the second nearest."""
    import bitsandbytes.functional as BF
    packed, state = BF.quantize_4bit(weight.to(torch.bfloat16), blocksize=64, compress_statistics=False, quant_type="nf4")
    offset = (state.absmax.double().sum() / state.absmax.numel()).float()
    values = BF.create_dynamic_map(signed=True)
    centred = state.absmax - offset
    groups = torch.nn.functional.pad(centred, (0, -len(centred) % 256)).view(-1, 256)
    scale = groups.abs().max(1).values
    codes = torch.bucketize(groups * (1 / scale)[:, None], (values[1:] + values[:-1]) / 2)
    absmax = (values[codes] * scale[:, None]).flatten()[: len(centred)] + offset
    index = torch.stack([packed.flatten() >> 4, packed.flatten() & 15], 1).flatten().long()
    return (state.code[index].view(-1, 64) * absmax[:, None]).view_as(weight)


LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "qkv_proj", "gate_up_proj")


def quantize(model, quantized, dtype):
    """The linears of layers, and each expert's gate, up and down by itself; routers stay."""
    for name, module in model.named_modules():
        if name.split(".")[-1] in LINEARS:
            module.weight.data = quantized(module.weight.data).to(dtype)
        if name.endswith(".experts"):
            for gate_up, down in zip(module.gate_up_proj.data, module.down_proj.data):
                for weight in (*gate_up.chunk(2), down):
                    weight.copy_(quantized(weight.clone()).to(dtype))


def load(folder, dtype=torch.float32, quantized=None):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")
    if quantized:
        quantize(model, quantized, dtype)
    return model


def decays(name, parameter):
    """As transformers' Trainer groups them."""
    return not any(re.search(p, name) for p in (r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"))


def train(model, rows, steps, rows_per_step=4, lr=2e-3, schedule="constant", warmup=0, decay=0.0, clip=0.3, cross=False, loraplus=None, extra=lambda: 0):
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [dict(params=[p for n, p in trained if decays(n, p)], weight_decay=decay),
              dict(params=[p for n, p in trained if not decays(n, p)], weight_decay=0.0)]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=(0.9, 0.999), eps=1e-8)
    if loraplus:
        from peft.optimizers import create_loraplus_optimizer
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=lr, loraplus_lr_ratio=loraplus, loraplus_weight_decay=decay, betas=(0.9, 0.999), eps=1e-8)
    scheduler = get_scheduler(schedule, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    log = []
    per_epoch = -(-len(rows) // rows_per_step)
    for step in range(steps):
        first = step % per_epoch * rows_per_step
        sums = [forward(model, row, cross)[1:] for row in rows[first : first + rows_per_step]]
        tokens = sum(n for _, n in sums)
        loss = sum(s for s, _ in sums) / tokens + extra()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in trained], clip if clip > 0 else float("inf"))
        rate = optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()
        log.append(dict(step=step + 1, loss=loss.item(), grad_norm=norm.item(), learning_rate=rate, trained_tokens=tokens))
    return log


def apart(theirs, ours):
    return max(abs(a - b) / abs(a) for a, b in zip(theirs, ours))


def compare(mine, other):
    a, b = (json.loads((Path(f) / "losses.json").read_text())["steps"] for f in (mine, other))
    assert len(a) == len(b), f"{len(a)} steps here, {len(b)} in {other}"
    for key in ("loss", "grad_norm"):
        print(f"{key}: largest relative difference {apart([s[key] for s in a], [s[key] for s in b]):.2e} over {len(a)} steps")
    files = [next((Path(f) / d / n for d, n in (("adapter", "adapter_model.safetensors"), ("model", "model.safetensors"))
                   if (Path(f) / d / n).exists())) for f in (mine, other)]
    a, b = (load_file(f) for f in files)
    assert a.keys() == b.keys(), sorted(a.keys() ^ b.keys())[:4]
    print(f"weights: largest difference {max(((a[k].float() - b[k].float()).abs().max() / a[k].float().abs().max()).item() for k in a):.2e} of a tensor's largest entry")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "rows", "output"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--adapter"), p.add_argument("--schedule", default="constant"), p.add_argument("--beside")
    for name, default in (("steps", 20), ("rows_per_step", 4), ("warmup_steps", 0)):
        p.add_argument("--" + name, type=int, default=default)
    for name, default in (("learning_rate", 2e-4), ("weight_decay", 0.0), ("max_grad_norm", 0.3)):
        p.add_argument("--" + name, type=float, default=default)
    for name in ("full", "nf4", "bf16", "cross_sample_attention"):
        p.add_argument("--" + name, action="store_true")
    a = p.parse_args()
    model = load(a.model, torch.bfloat16 if a.bf16 else torch.float32, nf4 if a.nf4 else None)
    if not a.full:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, a.adapter, is_trainable=True)
    model.eval()  # no dropout, which no two programs draw alike
    log = train(model, read_rows(a.rows), a.steps, a.rows_per_step, a.learning_rate, a.schedule, a.warmup_steps, a.weight_decay,
                a.max_grad_norm, a.cross_sample_attention)
    out = Path(a.output)
    out.mkdir(parents=True, exist_ok=True)
    (out / "losses.json").write_text(json.dumps(dict(steps=log), indent=1) + "\n")
    model.save_pretrained(out / ("model" if a.full else "adapter"))
    if a.beside:
        compare(out, a.beside)


if __name__ == "__main__":
    main()
