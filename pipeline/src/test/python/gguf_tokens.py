"""Ids of probe texts by tokenizer.json and by llama.cpp, for each way of cutting text that merge writes into a GGUF.

usage: gguf_tokens.py make SAMPLE_MODEL SPM_MODEL FOLDER    model folders FOLDER/NAME, and FOLDER/texts.json
       gguf_tokens.py compare FOLDER                        FOLDER/NAME/tokenizer.json beside FOLDER/NAME.json, llama.cpp's ids
needs: tokenizers
"""
import json, shutil, sys
from pathlib import Path
from tokenizers import Tokenizer

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SLASH = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
def cased(after): return rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{after}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{after}"
def split(regex): return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
def level(use_regex): return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}
WORD = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
STEPS = {
    "dbrx": [split(CONTRACTIONS + WORD + r"|\p{N}{1,3}" + REST), level(False)],
    "qwen2": [split(CONTRACTIONS + WORD + r"|\p{N}" + REST), level(False)],
    "tekken": [split(cased("") + r"|\p{N}" + SLASH), level(False)],
    "gpt-4o": [split(cased(CONTRACTIONS + "?") + r"|\p{N}{1,3}" + SLASH), level(False)],
    "smollm": [{"type": "Digits", "individual_digits": True}, level(True)],
    "gpt-2": [level(True)],
}
TEXTS = ["Hello world", "I've been 'told he's there, 'RE you sure?", "3 33 333 3333 33333.3 1,000,000", "  two  spaces\n\n\nand lines\r\n\tx ",
         "SELECT name FROM t WHERE a = 'b' AND c >= 10;", "naïve café Ünïcödé", "нещо на Български", "我想在apple工作1314151天～", "camelCaseWords HTTPServer iPhone2",
         "a/b//c path/to/file.txt", "🚀 (normal) 😶‍🌫️ ✅", "x", " ", "don't DON'T Don't", "end.\n", "[({<>})] !!?? --- ___"]


def make(sample, spm, folder):
    for name, steps in STEPS.items():
        shutil.copytree(sample, folder / name)
        file = folder / name / "tokenizer.json"; tokenizer = json.loads(file.read_text())
        tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
        file.write_text(json.dumps(tokenizer, ensure_ascii=False))
    for name, normalizers in (("spm", [{"type": "Prepend", "prepend": "▁"}]), ("spm-without-prefix", [])):
        shutil.copytree(spm, folder / name)
        file = folder / name / "tokenizer.json"; tokenizer = json.loads(file.read_text())
        tokenizer["normalizer"] = {"type": "Sequence", "normalizers": normalizers + [{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
        file.write_text(json.dumps(tokenizer, ensure_ascii=False))
    (folder / "texts.json").write_text(json.dumps(TEXTS))


def compare(folder):
    apart = 0
    for file in sorted(folder.glob("*/tokenizer.json")):
        name = file.parent.name
        tokenizer = Tokenizer.from_file(str(file)); tokenizer.no_padding()
        theirs = json.loads((folder / f"{name}.json").read_text())
        wrong = [(t, tokenizer.encode(t, add_special_tokens=False).ids, ids) for t, ids in zip(TEXTS, theirs)]
        wrong = [w for w in wrong if w[1] != w[2]]
        print(f"{name}: {len(TEXTS) - len(wrong)} of {len(TEXTS)} texts have the same ids")
        for text, ours, ids in wrong: print("   ", repr(text), ours, ids)
        apart += len(wrong)
    sys.exit(1 if apart else 0)


if sys.argv[1] == "make": make(*map(Path, sys.argv[2:5]))
else: compare(Path(sys.argv[2]))
