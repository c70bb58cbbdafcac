"""Writes variants/: trajectories of torch, transformers and PEFT that the shared golden files do not hold.

usage: PYTHONHASHSEED=0 variants.py [options]  (beside this file: model/, rows.safetensors, adapter-start.safetensors, trajectory-lora-float32.adapter/)
needs: torch transformers peft bitsandbytes safetensors; parity.py of src/test/python does the steps. Seed 7, one thread.
       With `options` only variants/options/ is written, PEFT's options on the models that are there; no bitsandbytes needed.
"""
import importlib.metadata, json, math, shutil, sys, warnings
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / "python"))
import parity
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, Qwen2Config, AutoModelForCausalLM, TrainingArguments, get_scheduler

torch.manual_seed(7); torch.set_num_threads(1); torch.use_deterministic_algorithms(True)
g = torch.Generator().manual_seed(7)
only_options = sys.argv[1:] == ["options"]
variants = here / "variants"; out = variants / "options" if only_options else variants; out.mkdir(exist_ok=True)
for old in out.iterdir():
    if old.name not in ("families", "adamw-8bit"): shutil.rmtree(old) if old.is_dir() else old.unlink()
golden = here / "model"; rows = parity.read_rows(here / "rows.safetensors"); VOCAB = 96
def dump(name, obj): (out / name).write_text(json.dumps(obj, indent=1) + "\n")
PACKAGES = ("torch", "transformers", "peft", "safetensors")
small = load_file(here / "rows.safetensors"); small["input_ids"] %= VOCAB; small["labels"] = torch.where(small["labels"] >= 0, small["labels"] % VOCAB, small["labels"])
if not only_options: save_file(small, out / "rows.safetensors", metadata={"format": "pt"})
small_rows = parity.read_rows(variants / "rows.safetensors")
dump("versions.json", {p: importlib.metadata.version(p) for p in PACKAGES + (() if only_options else ("bitsandbytes",))})
ALL = list(parity.LINEARS)

def every_seventh(tensors): return {n: t.detach().float().flatten()[::7].clone() for n, t in tensors.items()}
def run(name, model, rows, weights=True, **settings):
    """A trajectory and every seventh element of what it ends with."""
    log = parity.train(model, rows, **settings)
    dump(name + ".json", dict(settings, steps=log)); print(f"{name:32s} {log[0]['loss']:.6f} -> {log[-1]['loss']:.6f}")
    if weights:
        if hasattr(model, "peft_config"):
            from peft import get_peft_model_state_dict
            tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
        else: tensors = dict(model.named_parameters())
        save_file(every_seventh(tensors), out / f"{name}.safetensors", metadata={"format": "pt"})

def fresh_adapter(model, name, **lora):
    """A new adapter whose B is not zero, written as PEFT writes it."""
    model = get_peft_model(model, LoraConfig(bias="none", lora_dropout=0.0, task_type="CAUSAL_LM", **lora))
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_A" in n: p.copy_((torch.rand(p.shape, generator=g) * 2 - 1) / math.sqrt(p.shape[1]))
            if "lora_B" in n: p.copy_(torch.randn(p.shape, generator=g) * 0.05)
            if "tokens_delta" in n: p.add_(torch.randn(p.shape, generator=g) * 0.05)
            if "magnitude" in n: p.mul_(1 + 0.1 * torch.randn(p.shape, generator=g))
    model.peft_config["default"].base_model_name_or_path = "model"
    model.save_pretrained(out / f"{name}.start", save_embedding_layers=False); (out / f"{name}.start" / "README.md").unlink(missing_ok=True)
    return model

# ---- PEFT's options -------------------------------------------------------------------------------------------------
def merged(name, model, base="biased"):
    """Every seventh element of what merging gives, of the weights that it changes."""
    before = parity.load(variants / base).state_dict()
    after = model.merge_and_unload().state_dict()
    save_file(every_seventh({n: w for n, w in after.items() if n not in before or not torch.equal(w, before[n])}), out / f"{name}.merged.safetensors", metadata={"format": "pt"})

def options():
    g.manual_seed(7); biased = variants / "biased"; losses = {}  # of each token of the first 24 of a row, decoding
    def case(name, settings={}, base="biased", quantized=None, merge=True, **lora):
        def model(): return parity.load(variants / base, quantized=quantized)
        run(name, fresh_adapter(model(), name, **lora), small_rows, steps=10, **settings)
        if merge: merged(name, PeftModel.from_pretrained(model(), out / f"{name}.start"), base)
        with torch.no_grad(): logits = PeftModel.from_pretrained(model(), out / f"{name}.start").eval()(small["input_ids"][:1, :24].long()).logits[0].float()
        losses[name] = torch.nn.functional.cross_entropy(logits[:-1], small["input_ids"][0, 1:24].long(), reduction="none").tolist()
    case("patterns", dict(decay=0.1), r=4, lora_alpha=8, target_modules=ALL, rank_pattern={"q_proj": 2, r"layers\.1\.mlp\.down_proj": 6, "mlp.*_proj": 3},
         alpha_pattern={"self_attn.v_proj": 3.5, r"[ou]p?_proj": 1})
    case("rslora-patterns", r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "up_proj"], rank_pattern={r"model\.layers\.0\.self_attn\.q_proj": 9}, alpha_pattern={r"1\.mlp\.up_proj": 2})
    case("layers", r=2, lora_alpha=4, target_modules=["q_proj", "mlp.down_proj"], layers_to_transform=[1], layers_pattern="layers", exclude_modules=["self_attn.k_proj", "layers.0.mlp.up_proj"])
    case("layers-of-any", r=2, lora_alpha=4, target_modules=["q_proj", "v_proj", "model.layers.0.mlp.up_proj"], layers_to_transform=1, exclude_modules=["layers.1.self_attn.v_proj"])
    case("expression", r=2, lora_alpha=4, target_modules=r"model\.layers\.\d{1,2}\.(self_attn\.[qkv]_proj|mlp\.up_proj)", exclude_modules=r".*layers\.[1-9]\d{0,}\.self_attn\.[^qv]_proj")
    def started(): return PeftModel.from_pretrained(parity.load(biased), variants / "biased-lora.start", is_trainable=True)
    run("loraplus", started(), small_rows, steps=10, lr=5e-4, decay=0.05, loraplus=16.0)
    # an adapter that PEFT saved after the vocabulary was touched: embedding and head lie in the file, and no key names them
    for base in ("biased", "tied"):
        model = fresh_adapter(parity.load(variants / base), f"{base}-embeddings", r=2, lora_alpha=4, target_modules=["q_proj"])
        with torch.no_grad(): model.get_input_embeddings().weight.add_(torch.randn(VOCAB, 48, generator=g) * 0.05)
        model.save_pretrained(out / f"{base}-embeddings.start", save_embedding_layers=True); (out / f"{base}-embeddings.start" / "README.md").unlink(missing_ok=True)
        merged(f"{base}-embeddings", PeftModel.from_pretrained(parity.load(variants / base), out / f"{base}-embeddings.start"), base)
    # what the file lacks, and what the configuration does not name, by PEFT's own reading of such a folder
    start = load_file(variants / "biased-lora.start" / "adapter_model.safetensors"); config = json.loads((variants / "biased-lora.start" / "adapter_config.json").read_text())
    for name, tensors, changed in (("half", {n: t for n, t in start.items() if ".layers.0." in n}, config), ("beyond", start, dict(config, target_modules=["q_proj", "o_proj"]))):
        folder = out / "unfit"; folder.mkdir(); save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"}); (folder / "adapter_config.json").write_text(json.dumps(changed))
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always"); model = PeftModel.from_pretrained(parity.load(biased), folder)
        print(name, [str(w.message)[:90] for w in heard]); merged(name, model); shutil.rmtree(folder)
    more_of_peft(case); dump("losses.json", losses)
    part_of_base("pissa", "biased", dict(decay=0.1, loraplus=4.0), r=3, lora_alpha=4, init_lora_weights="pissa", target_modules=ALL)
    part_of_base("pissa-niter", "tied", r=2, lora_alpha=4, init_lora_weights="pissa_niter_400", use_rslora=True, target_modules=["q_proj", "down_proj"])
    part_of_base("olora", "biased", dict(decay=0.1), r=2, lora_alpha=4, init_lora_weights="olora", target_modules=ALL, rank_pattern={"v_proj": 4}, alpha_pattern={"o_proj": 1})
def part_of_base(name, base, settings={}, **lora):
    """Adapters that begin as parts of the base weights; NAME.adapter is what PEFT makes of the trained one for the untouched base."""
    torch.manual_seed(7); model = get_peft_model(parity.load(variants / base), LoraConfig(bias="none", lora_dropout=0.0, task_type="CAUSAL_LM", **lora))
    config = model.peft_config["default"]; config.base_model_name_or_path = "model"; began = config.init_lora_weights; config.init_lora_weights = True
    first = out / "first"; model.save_pretrained(first, save_embedding_layers=False); config.init_lora_weights = began
    run(name, model, small_rows, weights=False, steps=10, **settings)
    model.save_pretrained(out / f"{name}.adapter", save_embedding_layers=False, path_initial_model_for_weight_conversion=str(first)); (out / f"{name}.adapter" / "README.md").unlink(missing_ok=True); shutil.rmtree(first)
def more_of_peft(case):
    """What adapters have beside A and B."""
    case("bias", dict(decay=0.1, loraplus=4.0), r=2, lora_alpha=3, lora_bias=True, target_modules=ALL)
    case("bias-alone", base="tied", merge=False, r=2, lora_alpha=3, lora_bias=True, target_modules=["v_proj", "down_proj"])
    case("dora", dict(decay=0.1, loraplus=4.0), r=3, lora_alpha=6, use_dora=True, target_modules=ALL)
    case("dora-nf4", base="tied", quantized=parity.nf4, merge=False, r=2, lora_alpha=4, use_dora=True, use_rslora=True, target_modules=["q_proj", "o_proj", "up_proj", "down_proj"])
    tokens = [78, 2, 31, 95]
    case("tokens", dict(decay=0.1, loraplus=4.0), r=2, lora_alpha=4, target_modules=["q_proj"], trainable_token_indices=tokens)
    case("tokens-tied", dict(decay=0.1), base="tied", r=2, lora_alpha=4, target_modules=["q_proj", "up_proj"], trainable_token_indices=tokens)
    case("tokens-nf4", base="tied", quantized=parity.nf4, merge=False, r=2, lora_alpha=4, target_modules=["q_proj"], trainable_token_indices=tokens[:2])
if only_options: options(); print("size", sum(f.stat().st_size for f in out.rglob("*") if f.is_file())); sys.exit()

# ---- the golden model -----------------------------------------------------------------------------------------------
def golden_lora(quantized=None, dtype=torch.float32):
    model = get_peft_model(parity.load(golden, dtype, quantized), LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, bias="none", target_modules=ALL, task_type="CAUSAL_LM"))
    start = load_file(here / "adapter-start.safetensors")
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.requires_grad: p.copy_(start[n.replace(".default", "")])
    return model
run("qlora-float32", golden_lora(parity.nf4), rows, steps=20)
run("qlora-bfloat16", golden_lora(parity.nf4, torch.bfloat16), rows, weights=False, steps=20)
run("lora-float32-200", golden_lora(), rows, weights=False, steps=200)
run("cross-sample", golden_lora(), rows, steps=10, cross=True)
run("rslora-pattern", fresh_adapter(parity.load(golden), "rslora-pattern", r=4, lora_alpha=8, use_rslora=True,
    target_modules=r"model\.layers\.[12]\.(self_attn\.[qv]_proj|mlp\.down_proj)"), rows, steps=10, decay=0.1, schedule="cosine", warmup=2)
run("continued", PeftModel.from_pretrained(parity.load(golden), here / "trajectory-lora-float32.adapter", is_trainable=True), rows, steps=10, schedule="linear", warmup=1)

# ---- other configurations -------------------------------------------------------------------------------------------
base = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, vocab_size=VOCAB, max_position_embeddings=256, rms_norm_eps=1e-6, initializer_range=0.08, bos_token_id=1, eos_token_id=2)
models = dict(
    biased=LlamaConfig(**base, num_attention_heads=4, num_key_value_heads=2, head_dim=16, attention_bias=True, mlp_bias=True, rope_theta=10000.0),
    tied=LlamaConfig(**base, num_attention_heads=3, num_key_value_heads=1, head_dim=16, tie_word_embeddings=True, rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=50000.0)),
    qwen2=Qwen2Config(**base, num_attention_heads=6, num_key_value_heads=3, tie_word_embeddings=True, rope_theta=1000000.0, use_sliding_window=False))
for name, config in models.items():
    m = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").float()
    with torch.no_grad():
        for n, p in m.named_parameters():
            if "norm" in n: p.copy_(1 + 0.1 * torch.randn(p.shape, generator=g))
            if "bias" in n: p.copy_(0.1 * torch.randn(p.shape, generator=g))
            p.copy_(p.to(torch.bfloat16).float())
    folder = out / name; m.to(torch.bfloat16).save_pretrained(folder); (folder / "generation_config.json").unlink(missing_ok=True)
    run(f"{name}-full", parity.load(folder), small_rows, steps=10, lr=5e-4, decay=0.01, clip=1.0)
    run(f"{name}-lora", fresh_adapter(parity.load(folder), f"{name}-lora", r=2, lora_alpha=4, target_modules=ALL), small_rows, steps=10)
for name, saved in (("biased", ["embed_tokens", "lm_head"]), ("tied", ["embed_tokens", "lm_head"]), ("tied", ["embed_tokens"]), ("tied", ["lm_head"])):
    run(f"{name}-{'-'.join(saved)}", fresh_adapter(parity.load(out / name), f"{name}-{'-'.join(saved)}", r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], modules_to_save=saved), small_rows, steps=10)

# ---- checkpoints that bitsandbytes quantised -----------------------------------------------------------------------
from transformers import BitsAndBytesConfig
def stored(folder):
    """The weights of such a checkpoint by bitsandbytes' own codes and constants, decoded here."""
    t = load_file(folder / "model.safetensors"); weights = {}
    for n in [n[: -len(".absmax")] for n in t if n.endswith(".absmax") and not n.endswith("nested_absmax")]:
        state = json.loads(bytes(t[n + ".quant_state.bitsandbytes__nf4"].tolist())); packed = t[n].view(torch.uint8).flatten()
        absmax = t[n + ".nested_quant_map"][t[n + ".absmax"].long()] * t[n + ".nested_absmax"].repeat_interleave(256)[: len(t[n + ".absmax"])] + state["nested_offset"]
        index = torch.stack([packed >> 4, packed & 15], 1).flatten().long()
        weights[n] = (t[n + ".quant_map"][index] * absmax.repeat_interleave(64)[: len(index)]).view(state["shape"])
    return weights
for name, storage in (("biased", torch.uint8), ("tied", torch.bfloat16)):
    quantized = AutoModelForCausalLM.from_pretrained(out / name, dtype=torch.bfloat16, quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16, bnb_4bit_quant_storage=storage), device_map={"": "cpu"})
    folder = out / f"{name}-nf4"; quantized.save_pretrained(folder); (folder / "generation_config.json").unlink(missing_ok=True)
    m = parity.load(out / name); weights = stored(folder); assert len(weights) == 14, sorted(weights)
    for n, w in weights.items(): m.get_parameter(n).data = w
    run(f"{name}-nf4", PeftModel.from_pretrained(m, out / f"{name}-lora.start", is_trainable=True), small_rows, steps=10)

# ---- schedules ------------------------------------------------------------------------------------------------------
rates = []
for schedule in ("constant", "constant_with_warmup", "linear", "cosine"):
    for steps, warmup in ((7, 0.0), (7, 0.03), (50, 0.1), (50, 3.0), (3, 1.0 - 1e-9)):
        arguments = TrainingArguments(output_dir="/tmp/unused", warmup_steps=warmup, use_cpu=True, report_to=[])
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2e-4); s = get_scheduler(schedule, optimizer, arguments.get_warmup_steps(steps), steps); log = []
        for _ in range(steps): log.append(optimizer.param_groups[0]["lr"]); optimizer.step(); s.step()
        rates.append(dict(schedule=schedule, steps=steps, warmup=warmup, learning_rates=log))
dump("schedules.json", rates)
out = variants / "options"; out.mkdir(); dump("versions.json", {p: importlib.metadata.version(p) for p in PACKAGES}); options(); out = variants
print("size", sum(f.stat().st_size for f in out.rglob("*") if f.is_file()))
