"""Writes variants/adamw-8bit/: 20 steps of the golden model with bitsandbytes' AdamW8bit as transformers' Trainer sets it up, and its maps.

usage: PYTHONHASHSEED=0 adamw-8bit.py  (beside this file: model/, rows.safetensors)
needs: torch transformers peft bitsandbytes safetensors, on a CPU; parity.py of src/test/python does the steps. Seed 7, one thread.

bitsandbytes' kernel for CPUs finds codes in a table of 65,536 steps, which for small squares gives a code up to seven from the nearest;
those for GPUs, and the reference that stands beside its Triton kernels, take the nearest. So the trajectories are those of its optimizer
with that reference in the kernel's place; what the kernel for CPUs gives is in *.json as "cpu_kernel", losses only.
"""
import importlib.metadata, inspect, json, math, shutil, sys
from pathlib import Path
import bitsandbytes as bnb
import bitsandbytes.functional as F
import torch
from bitsandbytes.backends.triton.kernels_optim import optimizer_update_8bit_blockwise_pytorch as reference
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / "python"))
import parity
torch.manual_seed(7); torch.set_num_threads(1); torch.use_deterministic_algorithms(True)
g = torch.Generator().manual_seed(7)
out = here / "variants/adamw-8bit"; shutil.rmtree(out, ignore_errors=True); out.mkdir()
rows = parity.read_rows(here / "rows.safetensors"); kernel = F.optimizer_update_8bit_blockwise

def nearest(optimizer_name, g, p, *state, weight_decay, gnorm_scale, skip_zeros):
    return reference(p, g, *state, weight_decay, gnorm_scale, skip_zeros, optimizer_name=optimizer_name)
def by_reference(*args, **kwargs):
    called = inspect.signature(kernel).bind(*args, **kwargs); called.apply_defaults(); a = called.arguments
    nearest(*list(a.values())[:-3], **{k: a[k] for k in ("weight_decay", "gnorm_scale", "skip_zeros")})

def trajectory(model, update, **settings):
    """parity.train with another optimizer; embeddings keep 32 bits, as Trainer.create_optimizer has it."""
    manager = bnb.optim.GlobalOptimManager.get_instance(); manager.initialize()
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding): manager.register_module_override(module, "weight", {"optim_bits": 32})
    F.optimizer_update_8bit_blockwise, torch_adamw, made = update, torch.optim.AdamW, []
    torch.optim.AdamW = lambda groups, **kw: made.append(bnb.optim.AdamW(groups, optim_bits=8, **kw)) or made[0]
    try: log = parity.train(model, rows, **settings)
    finally: F.optimizer_update_8bit_blockwise, torch.optim.AdamW = kernel, torch_adamw
    bits = {n: made[0].state[p]["state1"].dtype for n, p in model.named_parameters() if p.requires_grad}
    print(len(bits), "tensors, in 32 bits:", [n for n, b in bits.items() if b == torch.float32])
    return log

def adapter():
    """Ranks such that A and B of q and down end amid a block, and B of k keeps 32 bits."""
    model = get_peft_model(parity.load(here / "model"), LoraConfig(r=37, lora_alpha=37, lora_dropout=0.0, bias="none", target_modules=["q_proj", "k_proj", "down_proj"], task_type="CAUSAL_LM"))
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_A" in n: p.copy_(((torch.rand(p.shape, generator=g) * 2 - 1) / math.sqrt(p.shape[1])).bfloat16())
            if "lora_B" in n: p.copy_((torch.randn(p.shape, generator=g) * 0.05).bfloat16())
    model.peft_config["default"].base_model_name_or_path = "model"
    start = out / "lora.start"; model.save_pretrained(start); (start / "README.md").unlink(missing_ok=True)
    save_file({n: t.bfloat16() for n, t in get_peft_model_state_dict(model).items()}, start / "adapter_model.safetensors", metadata={"format": "pt"})

adapter()
for name, begin, settings in (("full", lambda: parity.load(here / "model"), dict(steps=20, lr=5e-4, decay=0.1)),
                              ("lora", lambda: PeftModel.from_pretrained(parity.load(here / "model"), out / "lora.start", is_trainable=True), dict(steps=20, lr=2e-3))):
    model = begin(); log = trajectory(model, by_reference, **settings); rough = trajectory(begin(), kernel, **settings)
    plain = parity.train(begin(), rows, **settings)
    losses = [[s["loss"] for s in l] for l in (rough, plain)]
    (out / f"{name}.json").write_text(json.dumps(dict(settings, steps=log, cpu_kernel=losses[0], adamw_torch=losses[1]), indent=1) + "\n")
    for what, other in zip(("cpu kernel", "adamw_torch"), losses): print(name, what, max(abs(a["loss"] - b) / a["loss"] for a, b in zip(log, other)), log[-1]["loss"])
    tensors = get_peft_model_state_dict(model) if name == "lora" else dict(model.named_parameters())
    save_file({n: t.detach().float().flatten()[::7].clone() for n, t in tensors.items()}, out / f"{name}.safetensors", metadata={"format": "pt"})

def steps(n=4099, steps=4):
    """Of one tensor that ends amid a block: gradients of 12 orders of magnitude, a block of zeros, one whose gradients stop."""
    p = torch.nn.Parameter(torch.randn(n, generator=g)); kept = dict(start=p.detach().clone())
    optimizer = bnb.optim.AdamW([p], lr=1e-2, weight_decay=0.1, optim_bits=8); F.optimizer_update_8bit_blockwise = by_reference
    for step in range(steps):
        p.grad = torch.randn(n, generator=g) * 10 ** (torch.rand(n, generator=g) * 12 - 10); p.grad[256:512] = 0
        if step > 1: p.grad[512:768] = 0
        kept[f"gradient.{step + 1}"] = p.grad.clone(); optimizer.step()
    state = optimizer.state[p]; zero = state["absmax1"][1], state["absmax2"][1]
    for i, name in ((1, "exp_avg"), (2, "exp_avg_sq")): kept[name + ".codes"], kept[name + ".absmax"] = state[f"state{i}"], state[f"absmax{i}"]
    kept["end"] = p.detach().clone(); F.optimizer_update_8bit_blockwise = kernel
    save_file(kept, out / "steps.safetensors", metadata={"format": "pt"}); print("steps: absmax of zeros", zero)
steps()
versions = {p: importlib.metadata.version(p) for p in ("torch", "transformers", "peft", "safetensors", "bitsandbytes")}
for file in out.rglob("*.safetensors"): file.chmod(0o644)
(out / "maps.json").write_text(json.dumps(dict(versions=versions, origin="bitsandbytes.functional.create_dynamic_map", signed=F.create_dynamic_map(True).tolist(), unsigned=F.create_dynamic_map(False).tolist())) + "\n")
