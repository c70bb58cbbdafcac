"""Greedy texts of tiny random models of each family, by transformers and by llama.cpp that reads the GGUF which merge writes.

usage: gguf_families.py make FOLDER       model folders FOLDER/NAME, and FOLDER/NAME.expected.json by transformers
       gguf_families.py compare FOLDER    those beside FOLDER/NAME.json, llama.cpp's
needs: torch transformers peft bitsandbytes safetensors, for families.py of the golden files
"""
import json, sys, zlib
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "resources" / "golden"))

# What llama.cpp takes for granted of a family, and what it does not know.
CHANGED = {
    "gemma2": dict(query_pre_attn_scalar=12), "phi3": dict(sliding_window=None),
    "gemma3": dict(query_pre_attn_scalar=12, num_hidden_layers=7, layer_types=None),
    "gemma3-images": dict(query_pre_attn_scalar=12, num_hidden_layers=7, sliding_window_pattern=6),
    "mistral": dict(sliding_window=None), "ministral": None,
    "qwen3moe-listed": dict(mlp_only_layers=[], norm_topk_prob=True, use_sliding_window=False, attention_bias=False), "qwen3moe-step": None,
    "qwen2-window": None, "qwen3-window": None, "llama-dynamic": None,
}
PROMPTS = [[1, 5, 9, 33, 71], [1, 17, 40, 8, 80, 12, 95, 33, 2, 61, 7, 44, 28, 90, 3, 55, 19]]


def make(folder):
    import torch, families
    for name, settings in families.models.items():
        changed = CHANGED.get(name, {})
        if changed is None: continue
        name = name.replace("phi3", "phi-three")  # llama.cpp expects Phi-3's own tokens where a name has phi3 in it
        if "text_config" in settings: changed = dict(text_config={**settings["text_config"], **changed})
        families.save(folder / name, {**settings, **changed}, torch.Generator().manual_seed(zlib.crc32(name.encode())))
        tokenizer = dict(version="1.0", added_tokens=[], normalizer=None, decoder=dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True),
                         pre_tokenizer=dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True), post_processor=None,
                         model=dict(type="BPE", vocab={"".join(map(chr, divmod(i, 10))).translate({c: 97 + c for c in range(10)}): i for i in range(96)}, merges=["a a"]))
        (folder / name / "tokenizer.json").write_text(json.dumps(tokenizer))
        model = families.loader(settings).from_pretrained(folder / name, dtype=torch.float32, attn_implementation="eager").eval()
        (folder / f"{name}.expected.json").write_text(json.dumps([families.greedy(model, p, 32) for p in PROMPTS]))
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))


def compare(folder):
    apart = 0
    for file in sorted(folder.glob("*.expected.json")):
        name = file.name.replace(".expected.json", "")
        ours = folder / f"{name}.json"
        theirs, found = json.loads(file.read_text()), json.loads(ours.read_text()) if ours.exists() and ours.stat().st_size else []
        same = [next((i for i, (a, b) in enumerate(zip(x, y)) if a != b), min(len(x), len(y))) for x, y in zip(theirs, found)]
        print(f"{name}: {same} of {[len(x) for x in theirs]} tokens are equal")
        apart += same != [len(x) for x in theirs]
    sys.exit(1 if apart else 0)


{"make": make, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))
