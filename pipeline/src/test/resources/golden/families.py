"""Writes variants/families/: what transformers and PEFT compute for tiny random models of each family.

usage: PYTHONHASHSEED=0 families.py [NAME ...]       (beside this file: variants/rows.safetensors, of variants.py; without names all)
needs: torch transformers peft bitsandbytes safetensors; parity.py of src/test/python does the steps. One thread; seeds by name.

Each sample goes through the model by itself: windows, and factors that depend on a length, are then its own.
For each model NAME: NAME/ the model; NAME-gradients.safetensors every seventh element of the gradient of the mean loss of all rows;
NAME-lora, NAME-qlora 20 steps (NF4 decoded as parity.py does); NAME-greedy.json what follows prompts. Of models that read images too also
NAME-merged.safetensors, every seventh element of all tensors that PEFT's merged model is saved with. Of a mixture of experts loss,
logits and gradients are those with LoRA on attention, and of LoRA, embedding and head; NAME-aux is LoRA with the load-balancing loss.
"""
import importlib.metadata, json, math, shutil, sys, tempfile, zlib
from pathlib import Path
import torch, torch.nn.functional as F
from safetensors.torch import load_file, save_file
here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / "python"))
import parity
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.qwen3_moe.modeling_qwen3_moe import load_balancing_loss_func

torch.set_num_threads(1); torch.use_deterministic_algorithms(True)
out = here / "variants" / "families"
VOCAB = 96; rows = parity.read_rows(here / "variants" / "rows.safetensors")
def dump(name, obj): (out / name).write_text(json.dumps(obj) + "\n")
def every_seventh(tensors): return {n: t.detach().float().flatten()[::7].clone() for n, t in tensors.items()}

def fresh(model):
    """dynamic remembers the longest sample that it has seen, and stretches shorter ones as much."""
    for module in model.modules():
        if hasattr(module, "max_seq_len_cached") and hasattr(module, "original_inv_freq"):
            module.inv_freq = module.original_inv_freq.clone(); module.max_seq_len_cached = module.original_max_seq_len

def by_sample(model, row, cross=False):
    ids, labels, positions, segments = (x[row[3] >= 0] for x in row)
    cuts = [0] + (torch.nonzero(segments[1:] != segments[:-1]).flatten() + 1).tolist() + [len(ids)]
    total, count, logits = torch.zeros(()), 0, []
    for a, b in zip(cuts, cuts[1:]):
        fresh(model)
        own = model(input_ids=ids[None, a:b], position_ids=positions[None, a:b], use_cache=False).logits[0].float()
        target = torch.cat([labels[a + 1 : b], torch.tensor([-100])])
        total = total + F.cross_entropy(own, target, ignore_index=-100, reduction="sum"); count += int((target != -100).sum())
        logits.append(own)
    return torch.cat(logits), total, count
parity.forward = by_sample

small = dict(hidden_size=32, intermediate_size=48, vocab_size=VOCAB, max_position_embeddings=256, initializer_range=0.08, bos_token_id=1, eos_token_id=2, pad_token_id=None)
heads = dict(num_attention_heads=4, num_key_value_heads=2)
slide, full = "sliding_attention", "full_attention"
short, long = [1.0, 1.1, 1.3, 1.6], [1.0, 1.5, 3.0, 6.0]
grown = dict(rope_type="yarn", rope_theta=1000000.0, factor=16.0, original_max_position_embeddings=8, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.5)
tower = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
models = {
    "qwen3": dict(model_type="qwen3", num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1, head_dim=20, rope_theta=1000000.0, tie_word_embeddings=False, pad_token_id=5),
    "qwen3-window": dict(model_type="qwen3", num_hidden_layers=3, **heads, head_dim=8, use_sliding_window=True, sliding_window=6, max_window_layers=1, tie_word_embeddings=True, attention_bias=True),
    "qwen2-window": dict(model_type="qwen2", num_hidden_layers=2, **heads, use_sliding_window=True, sliding_window=5, max_window_layers=1),
    "qwen2-yarn": dict(model_type="qwen2", num_hidden_layers=2, **heads, rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16), rope_theta=10000.0),
    "mistral": dict(model_type="mistral", num_hidden_layers=2, **heads, head_dim=10, sliding_window=5),
    "ministral": dict(model_type="ministral", num_hidden_layers=2, **heads, head_dim=8, sliding_window=7, layer_types=[slide, full]),
    "smollm3": dict(model_type="smollm3", num_hidden_layers=4, **heads, tie_word_embeddings=True),
    "granite": dict(model_type="granite", num_hidden_layers=2, **heads, embedding_multiplier=12.0, residual_multiplier=0.22, attention_multiplier=0.3, logits_scaling=4.0, tie_word_embeddings=True, attention_bias=True, mlp_bias=True),
    "olmo2": dict(model_type="olmo2", num_hidden_layers=2, **heads),
    "olmo3": dict(model_type="olmo3", num_hidden_layers=4, **heads, sliding_window=5, rope_theta=500000.0, rope_scaling=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=32, beta_fast=32.0, beta_slow=1.0)),
    "phi3": dict(model_type="phi3", num_hidden_layers=2, **heads, sliding_window=5),
    "phi3-longrope": dict(model_type="phi3", num_hidden_layers=2, **heads, original_max_position_embeddings=12, rope_scaling=dict(type="longrope", short_factor=short, long_factor=long)),
    "phi3-partial": dict(model_type="phi3", num_hidden_layers=2, **heads, partial_rotary_factor=0.5, tie_word_embeddings=True),
    "gemma2": dict(model_type="gemma2", num_hidden_layers=2, **heads, head_dim=12, query_pre_attn_scalar=10, sliding_window=5, attn_logit_softcapping=5.0, final_logit_softcapping=4.0),
    "gemma3": dict(model_type="gemma3_text", num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=1, head_dim=12, query_pre_attn_scalar=10, sliding_window=6, layer_types=[slide, slide, full], rope_scaling=dict(rope_type="linear", factor=8.0), rope_theta=1000000.0, rope_local_base_freq=10000.0),
    "ministral3": dict(model_type="ministral3", num_hidden_layers=2, **heads, head_dim=10, rope_parameters=grown),
    "gemma3-images": dict(model_type="gemma3", mm_tokens_per_image=4, image_token_index=95, vision_config=dict(tower, model_type="siglip_vision_model"), text_config=dict(small, model_type="gemma3_text", num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, head_dim=12, query_pre_attn_scalar=10, sliding_window=6, sliding_window_pattern=3)),
    "qwen3vl-images": dict(model_type="qwen3_vl", tie_word_embeddings=True, vision_config=dict(depth=1, hidden_size=16, intermediate_size=16, num_heads=2, out_hidden_size=32, patch_size=14, num_position_embeddings=16, deepstack_visual_indexes=[0]), text_config=dict(small, model_type="qwen3_vl_text", num_hidden_layers=2, **heads, head_dim=12, rope_parameters=dict(rope_type="default", rope_theta=5000000.0, mrope_section=[2, 2, 2], mrope_interleaved=True))),
    "mistral3-images": dict(model_type="mistral3", tie_word_embeddings=False, vision_config=dict(tower, model_type="pixtral", head_dim=8), text_config=dict(small, model_type="ministral3", num_hidden_layers=2, **heads, head_dim=10, rope_parameters=grown)),
    "qwen3moe": dict(model_type="qwen3_moe", num_hidden_layers=2, **heads, head_dim=12, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=20, norm_topk_prob=True, rope_theta=1000000.0),
    "qwen3moe-step": dict(model_type="qwen3_moe", num_hidden_layers=4, **heads, head_dim=8, num_experts=5, num_experts_per_tok=3, moe_intermediate_size=16, decoder_sparse_step=2, tie_word_embeddings=True),
    "qwen3moe-listed": dict(model_type="qwen3_moe", num_hidden_layers=3, **heads, head_dim=8, num_experts=4, num_experts_per_tok=1, moe_intermediate_size=24, mlp_only_layers=[1], use_sliding_window=True, sliding_window=6, attention_bias=True),
    "llama-dynamic": dict(model_type="llama", num_hidden_layers=2, **heads, max_position_embeddings=12, rope_scaling=dict(rope_type="dynamic", factor=4.0)),
}

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
def has_experts(model): return hasattr(model.config, "num_experts")

def adapter(model, folder, g):
    targets = ATTENTION if has_experts(model) else "all-linear"
    model = get_peft_model(model, LoraConfig(bias="none", lora_dropout=0.0, task_type="CAUSAL_LM", r=2, lora_alpha=4, target_modules=targets, exclude_modules=".*(vision_tower|multi_modal_projector|visual).*" if hasattr(model.config, "vision_config") else None))
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_A" in n: p.copy_((torch.rand(p.shape, generator=g) * 2 - 1) / math.sqrt(p.shape[1]))
            if "lora_B" in n: p.copy_(torch.randn(p.shape, generator=g) * 0.05)
    model.peft_config["default"].base_model_name_or_path = "model"
    model.save_pretrained(folder, save_embedding_layers=False); (folder / "README.md").unlink(missing_ok=True)
    return model

def greedy(model, prompt, count):
    """With a cache, as generate() does; longrope computes it again where its factors change, as generate() does too."""
    from transformers import DynamicCache
    fresh(model); ids, cache, switch = list(prompt), DynamicCache(), getattr(model.config, "original_max_position_embeddings", None)
    new = ids
    with torch.no_grad():
        for _ in range(count):
            if switch and len(ids) == switch + 1: cache, new = DynamicCache(), ids
            at = torch.arange(len(ids) - len(new), len(ids))[None]
            new = [int(model(input_ids=torch.tensor([new]), position_ids=at, past_key_values=cache, use_cache=True).logits[0, -1].argmax())]
            ids = ids + new
    return ids[len(prompt):]

def loader(settings): return AutoModelForImageTextToText if "text_config" in settings else AutoModelForCausalLM

def untied(model):
    """PEFT parts what modules_to_save trains from what it is tied to."""
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone()); model.model.embed_tokens.weight = torch.nn.Parameter(model.model.embed_tokens.weight.detach().clone())
    return model

def attention_gradients(model):
    """-> sums of by_sample, gradients of the mean loss"""
    for p in (model.base_model.model.lm_head.weight, model.base_model.model.model.embed_tokens.weight): p.requires_grad_(True)
    sums = [by_sample(model, row) for row in rows]
    (sum(s for _, s, _ in sums) / sum(n for _, _, n in sums)).backward()
    return sums, {n.replace("base_model.model.", "").replace(".default", ""): p.grad for n, p in model.named_parameters() if p.requires_grad}

def balance(model, coefficient):
    """The load-balancing loss over all tokens of a step: samples go through the model by themselves, so logits are collected."""
    seen = {n: [] for n, m in model.named_modules() if n.endswith(".mlp.gate")}
    for n, m in model.named_modules():
        if n in seen: m.register_forward_hook(lambda module, inputs, output, n=n: seen[n].append(output[0]))
    def loss():
        all = tuple(torch.cat(logits) for logits in seen.values()); [logits.clear() for logits in seen.values()]
        return coefficient * load_balancing_loss_func(all, model.config.num_experts, model.config.num_experts_per_tok)
    return loss

def save(folder, settings, g):
    """A random model whose weights bfloat16 holds."""
    torch.manual_seed(7)
    config = AutoConfig.for_model(**settings) if "text_config" in settings else AutoConfig.for_model(**{**small, **settings})
    model = loader(settings).from_config(config, attn_implementation="eager").float()
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "norm" in n: p.add_(0.1 * torch.randn(p.shape, generator=g))
            if "bias" in n: p.copy_(0.1 * torch.randn(p.shape, generator=g))
            p.copy_(p.to(torch.bfloat16).float())
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder); (folder / "generation_config.json").unlink(missing_ok=True)

def write(name, settings):
    g = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    folder = out / name; save(folder, settings, g)
    def load(dtype=torch.float32, quantized=None):
        experts = dict(experts_implementation="eager") if "num_experts" in settings else {}
        m = loader(settings).from_pretrained(folder, dtype=dtype, attn_implementation="eager", **experts).eval()
        if quantized: parity.quantize(m, quantized, dtype)
        return m
    model = load(); sums = [by_sample(model, row) for row in rows]
    prompts = [[int(t) for t in rows[0][0][:5]], [int(t) for t in rows[1][0][:17]]]
    answers = [dict(prompt=p, greedy=greedy(model, p, 24)) for p in prompts]
    tuned = adapter(load(), out / f"{name}-lora.start", g)
    dump(f"{name}-lora.json", dict(steps=parity.train(tuned, rows, steps=20)))
    save_file(every_seventh(get_peft_model_state_dict(tuned, save_embedding_layers=False)), out / f"{name}-lora.safetensors", metadata={"format": "pt"})
    from peft import PeftModel
    if "text_config" in settings:
        with tempfile.TemporaryDirectory() as merged:
            PeftModel.from_pretrained(load(), out / f"{name}-lora.start").merge_and_unload().save_pretrained(merged)
            save_file(every_seventh(load_file(f"{merged}/model.safetensors")), out / f"{name}-merged.safetensors", metadata={"format": "pt"})
    if has_experts(model):
        tuned = PeftModel.from_pretrained(load(), out / f"{name}-lora.start", is_trainable=True)
        dump(f"{name}-aux.json", dict(steps=parity.train(tuned, rows, steps=20, extra=balance(tuned, 0.05))))
        sums, gradients = attention_gradients(PeftModel.from_pretrained(untied(load()), out / f"{name}-lora.start", is_trainable=True))
    loss = sum(s for _, s, _ in sums) / sum(n for _, _, n in sums)
    if not has_experts(model): loss.backward(); gradients = {n.replace(".language_model.", "."): p.grad for n, p in model.named_parameters() if p.grad is not None}
    save_file(every_seventh(gradients), out / f"{name}-gradients.safetensors", metadata={"format": "pt"})
    dump(f"{name}-greedy.json", dict(loss=loss.item(), logits=sums[0][0].detach().flatten()[::7].tolist(), answers=answers))
    for kind, dtype in (("qlora", torch.float32), ("qlora-bfloat16", torch.bfloat16)):
        tuned = PeftModel.from_pretrained(load(dtype, parity.nf4), out / f"{name}-lora.start", is_trainable=True)
        dump(f"{name}-{kind}.json", dict(steps=parity.train(tuned, rows, steps=20)))
    print(f"{name:16s} {loss.item():.6f}")

if __name__ == "__main__":
    out.mkdir(exist_ok=True)
    for name, settings in models.items():
        if not sys.argv[1:] or name in sys.argv[1:]: write(name, settings)
    dump("versions.json", {p: importlib.metadata.version(p) for p in ("torch", "transformers", "peft", "bitsandbytes", "safetensors")})
    print("size", sum(f.stat().st_size for f in out.rglob("*") if f.is_file()))
