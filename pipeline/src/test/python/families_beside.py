"""Tiny random models of each family, and adapters with each of PEFT's options: ours beside transformers', PEFT's and llama.cpp's.

usage: families_beside.py make FOLDER [NAME ...]   models, FOLDER/NAME.expected.json by transformers, and the lists that .ci/families goes through
       families_beside.py compare FOLDER           what it left there; exits 1 if anything is apart
needs: torch transformers peft bitsandbytes safetensors, for families.py of the golden files
"""
import json, shlex, shutil, sys, zlib
from pathlib import Path
golden = Path(__file__).resolve().parents[1] / "resources" / "golden"
sys.path.insert(0, str(golden))

# What llama.cpp takes for granted of a family, and what it does not know.
CHANGED = {
    "gemma2": dict(query_pre_attn_scalar=12), "phi3": dict(sliding_window=None),
    "gemma3": dict(query_pre_attn_scalar=12, num_hidden_layers=7, layer_types=None),
    "gemma3-images": dict(query_pre_attn_scalar=12, num_hidden_layers=7, sliding_window_pattern=6),
    "mistral": dict(sliding_window=None), "ministral": None,
    "qwen3moe-listed": dict(mlp_only_layers=[], norm_topk_prob=True, use_sliding_window=False, attention_bias=False), "qwen3moe-step": None,
    "qwen2-window": None, "qwen3-window": None, "llama-dynamic": None,
}
SUFFIX = "-for-llama.cpp"
PROMPTS = [[1, 5, 9, 33, 71], [1, 17, 40, 8, 80, 12, 95, 33, 2, 61, 7, 44, 28, 90, 3, 55, 19]]

# Keys of train. A bias is merged into one that is there.
OPTIONS = {
    "lora_bias": "--lora_bias true", "use_dora": "--use_dora true", "use_rslora": "--use_rslora true",
    "trainable_token_indices": "--trainable_token_indices [3,17,40]",
    "gaussian": "--init_lora_weights gaussian", "orthogonal": "--init_lora_weights orthogonal",
    "pissa": "--init_lora_weights pissa", "pissa_niter_4": "--init_lora_weights pissa_niter_4", "olora": "--init_lora_weights olora",
    "rank_pattern": "--rank_pattern '{q_proj: 4, down_proj: 1}' --alpha_pattern '{q_proj: 16}'",
    "layers_to_transform": "--layers_to_transform 1 --layers_pattern layers",
    "exclude_modules": "--lora_target_modules all-linear --exclude_modules .*mlp.*",
    "expression": "--lora_target_modules .*layers[.](0[.]self_attn|1[.]mlp)[.](q|down)_proj",
    "modules_to_save": "--modules_to_save lm_head,embed_tokens",
    "loraplus": "--loraplus_lr_ratio 16",
}


def make(folder, names):
    import torch, families
    cases, ggufs = [], []
    def save(name, settings):
        # Of these seeds no model has two all but equally likely tokens, which llama.cpp's keys and values of 16 bits may swap.
        families.save(folder / name, settings, torch.Generator().manual_seed(zlib.crc32(name.removesuffix(SUFFIX).encode())))
        tokenizer = dict(version="1.0", added_tokens=[], normalizer=None, decoder=dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True),
                         pre_tokenizer=dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True), post_processor=None,
                         model=dict(type="BPE", vocab={"".join(map(chr, divmod(i, 10))).translate({c: 97 + c for c in range(10)}): i for i in range(96)}, merges=["a a"]))
        (folder / name / "tokenizer.json").write_text(json.dumps(tokenizer))
    for name, settings in families.models.items():
        if names and name not in names: continue
        save(name, settings)
        attention = "--lora_target_modules " + ",".join(families.ATTENTION)
        cases.append((name, name, attention if "num_experts" in settings else "--lora_target_modules all-linear"))
        changed = CHANGED.get(name, {})
        if changed is None: continue
        # llama.cpp expects Phi-3's own tokens where a name has phi3 in it.
        other = (name + SUFFIX).replace("phi3", "phi-three")
        if "text_config" in settings: changed = dict(text_config={**settings["text_config"], **changed})
        settings = {**settings, **changed}
        save(other, settings)
        model = families.loader(settings).from_pretrained(folder / other, dtype=torch.float32, attn_implementation="eager").eval()
        (folder / f"{other}.expected.json").write_text(json.dumps([families.greedy(model, p, 32) for p in PROMPTS]))
        ggufs.append(other)
    options = {n: keys for n, keys in OPTIONS.items() if not names or n in names}
    for name, keys in options.items():
        model = "granite" if name == "lora_bias" else "qwen3"
        if not (folder / model).exists(): save(model, families.models[model])
        cases.append((name, model, keys))
    shutil.copy(golden / "variants" / "rows.safetensors", folder / "rows.safetensors")
    for file, text in {"cases.txt": "\n".join("\t".join([name, model, *shlex.split(keys)]) for name, model, keys in cases), "gguf.txt": "\n".join(ggufs), "rows.txt": str(len(families.rows))}.items():
        (folder / file).write_text(text + "\n" if text else "")
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))


def loss(model):
    import torch, families
    with torch.no_grad(): sums = [families.by_sample(model.eval(), row) for row in families.rows]
    return (sum(s for _, s, _ in sums) / sum(n for _, _, n in sums)).item()


def losses_apart(folder):
    import families, torch
    from peft import PeftModel
    worst = 0
    for case in (folder / "cases.txt").read_text().splitlines():
        name, model = case.split("\t")[:2]
        def load(path): return families.loader(families.models[model]).from_pretrained(path, dtype=torch.float32, attn_implementation="eager")
        start, ours = (json.loads((folder / f"{name}.{kind}" / "losses.json").read_text())["steps"][0]["loss"] for kind in ("trained", "measured"))
        beside = {"PEFT": loss(PeftModel.from_pretrained(load(folder / model), folder / f"{name}.trained" / "adapter")), "merged": loss(load(folder / f"{name}.merged"))}
        apart = {n: abs(ours - v) / abs(v) for n, v in beside.items()}
        print(f"{name}: loss {start:.6f}, after four steps {ours:.6f}; " + ", ".join(f"{n} {v:.1e} apart" for n, v in apart.items()))
        worst = max(worst, *apart.values())
    return worst


def compare(folder, names):
    apart = 0
    for file in sorted(folder.glob("*.expected.json")):
        name = file.name.replace(".expected.json", "")
        ours = folder / f"{name}.json"
        theirs, found = json.loads(file.read_text()), json.loads(ours.read_text()) if ours.exists() and ours.stat().st_size else []
        same = [next((i for i, (a, b) in enumerate(zip(x, y)) if a != b), min(len(x), len(y))) for x, y in zip(theirs, found)]
        print(f"{name}: {same} of {[len(x) for x in theirs]} tokens are equal")
        apart += same != [len(x) for x in theirs]
    worst = losses_apart(folder)
    print(f"{apart} models with other texts; losses at most {worst:.1e} apart")
    sys.exit(1 if apart or worst > 1e-5 else 0)


{"make": make, "compare": compare}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3:])
