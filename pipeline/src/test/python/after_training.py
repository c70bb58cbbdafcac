"""The other side of .ci/after-training: what transformers, PEFT and PyPI's gguf make of our adapters, models and files.

usage: after_training.py prompts --rows FILE --output FILE [--stories]
       after_training.py golden --base MODEL --adapter ADAPTER --prompts FILE --output FILE
       after_training.py check --base MODEL --adapter ADAPTER --prompts FILE --template FILE --ours FOLDER
FOLDER holds merged/ (float32), answers/ (Parquet), adapter.json and merged.json (of evaluate), f16.gguf and q8_0.gguf.
needs: torch transformers peft safetensors pyarrow gguf
"""
import argparse, importlib.metadata, json
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NEW_TOKENS = 48
STORIES = [
    "Once upon a time, there was a cat", "One day, Tom", "Lily and Ben were", "The sun was", "A big dog", "Once there was a boy",
    "Mom said", "\"Look!\" said", "In the park,", "The little bird", "Sue had a red ball", "It was a cold day", "The frog and the",
    "Tim likes to", "There was a princess", "One night, the moon", "A girl named Amy", "They played", "The old man", "He was sad because",
]


def lines(file):
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def prompts(args):
    rows = [{"text": text} for text in STORIES] if args.stories else [
        {"messages": [{"role": "system", "content": "SCHEMA:\n" + row["context"]}, {"role": "user", "content": row["question"]}]}
        for row in lines(args.rows)[:20]
    ]
    Path(args.output).write_text("".join(json.dumps({"id": i, **row}) + "\n" for i, row in enumerate(rows)))


def load(folder, adapter=None):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if adapter:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, adapter)
    return model.eval()


def ids_of(tokenizer, row, template):
    """As ours: a text begins with BOS if there is one; in a conversation the space before the answer is the answer's."""
    if "text" in row:
        begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        return begin + tokenizer(row["text"], add_special_tokens=False).input_ids
    text = tokenizer.apply_chat_template(row["messages"], chat_template=template, add_generation_prompt=True, tokenize=False)
    return tokenizer(text.rstrip(" "), add_special_tokens=False).input_ids


def stops(tokenizer):
    ends = ["<|eot_id|>", "<|im_end|>", "<|end_of_text|>", "<|endoftext|>", "<|eom_id|>", tokenizer.eos_token]
    return sorted({tokenizer.get_vocab()[end] for end in ends if end in tokenizer.get_vocab()})


@torch.no_grad()
def greedy(model, tokenizer, rows, template):
    """Of each row the text that follows, and all ids."""
    result = []
    for row in rows:
        ids = ids_of(tokenizer, row, template)
        made = model.generate(
            input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False,
            max_new_tokens=NEW_TOKENS, eos_token_id=stops(tokenizer), pad_token_id=0,
        )[0].tolist()
        ended = made[-1] in stops(tokenizer)
        text = tokenizer.decode(made[len(ids):], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        result.append((text[1:] if "messages" in row and text.startswith(" ") else text, made[:-1] if ended else made))
    return result


@torch.no_grad()
def losses(model, ids):
    """Minus the log-probability of each token but the first."""
    logits = model(torch.tensor([ids])).logits[0].double()
    return -logits[:-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0], logits


def golden(args):
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    rows, template = lines(args.prompts), Path(args.template).read_text()
    model = load(args.base, args.adapter).merge_and_unload()
    texts = [
        {**row, "text": text, "ids": ids, "losses": [round(loss, 6) for loss in losses(model, ids)[0].tolist()]}
        for row, (text, ids) in zip(rows, greedy(model, tokenizer, rows, template))
    ]
    versions = {name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft", "tokenizers")}
    body = ",\n".join(json.dumps(text) for text in texts)
    Path(args.output).write_text(f'{{"versions": {json.dumps(versions)}, "new_tokens": {NEW_TOKENS}, "texts": [\n{body}\n]}}\n')
    print(f"{len(texts)} texts, {len({t['text'] for t in texts})} different, are in {args.output}")


def close(what, ours, theirs, allowed):
    apart = max(abs(a - b) for a, b in zip(ours, theirs))
    print(f"  {what}: {len(ours)} values, at most {apart:.1e} apart (allowed {allowed:.0e})")
    assert apart <= allowed, what


def same_texts(args, tokenizer, merged, template):
    import pyarrow.parquet as parquet
    answers = {row["id"]: row["answer"] for row in parquet.read_table(Path(args.ours) / "answers").to_pylist()}
    rows = lines(args.prompts)
    theirs = greedy(merged, tokenizer, rows, template)
    for row, (text, _) in zip(rows, theirs):
        assert answers[row["id"]].strip() == text.strip(), (row, answers[row["id"]], text)
    print(f"  greedy texts: {len(rows)} equal, {sum(len(text) for text, _ in theirs)} characters, the first: {theirs[0][0]!r}")
    return [ids for _, ids in theirs]


def same_losses(what, args, file, name, tokenizer, model, template):
    samples = [s for s in json.loads((Path(args.ours) / file).read_text())["samples"] if "loss" in s[name]]
    assert len(samples) >= 10, f"only {len(samples)} conversations have a loss"
    theirs = []
    for sample in samples:
        conversation = sample["prompt"] + [{"role": "assistant", "content": sample["expected"]}]
        text = tokenizer.apply_chat_template(conversation, chat_template=template, tokenize=False)
        theirs.append(losses(model, tokenizer(text, add_special_tokens=False).input_ids)[0].mean().item())
    close(what, [s[name]["loss"] for s in samples], theirs, 1e-5)


def expected_files(args):
    files = sorted(path.name for path in (Path(args.ours) / "merged").iterdir())
    wanted = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert set(files) == wanted, files


NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}[name]
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{NAMES[part]}.{kind}"


def rotated(weight, heads):
    """convert_hf_to_gguf.py's permute."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def gguf_file(args, kind, tokenizer, merged):
    import gguf, numpy
    from safetensors.numpy import load_file
    reader, config = gguf.GGUFReader(Path(args.ours) / f"{kind}.gguf"), merged.config
    value = lambda key: reader.fields[key].contents()
    wanted = {
        "general.architecture": "llama", "llama.context_length": config.max_position_embeddings, "llama.embedding_length": config.hidden_size,
        "llama.block_count": config.num_hidden_layers, "llama.feed_forward_length": config.intermediate_size,
        "llama.attention.head_count": config.num_attention_heads, "llama.attention.head_count_kv": config.num_key_value_heads,
        "llama.vocab_size": config.vocab_size, "tokenizer.ggml.eos_token_id": tokenizer.eos_token_id, "tokenizer.ggml.bos_token_id": tokenizer.bos_token_id,
    }
    for key, expected in wanted.items():
        assert value(key) == expected, (key, value(key), expected)
    tokens = value("tokenizer.ggml.tokens")
    assert [tokens[i] for i in range(len(tokenizer))] == tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    weights = {gguf_name(name): weight for name, weight in load_file(Path(args.ours) / "merged/model.safetensors").items()}
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert tensors.keys() == weights.keys(), tensors.keys() ^ weights.keys()
    types, worst = set(), 0
    for name, weight in weights.items():
        tensor = tensors[name]
        assert tensor.shape.tolist() == list(weight.shape[::-1]), name
        if ".attn_q." in name or ".attn_k." in name:
            weight = rotated(weight, config.num_attention_heads if ".attn_q." in name else config.num_key_value_heads)
        quantised = tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0
        made = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(weight.shape)
        # gguf's own quantisation is the measure: half a step of its block, and the half-precision scale's own rounding.
        step = numpy.abs(weight.reshape(-1, 32)).max(1, keepdims=True) / 127 if quantised else numpy.abs(weight) * 2**-11 + 2**-25
        apart = numpy.abs(made - weight).reshape(step.shape[0], -1) / numpy.maximum(step.reshape(step.shape[0], -1), 1e-30)
        limit = 0.5 + 127 * 2**-11 if quantised else 1.001
        assert apart.max() <= limit, (name, apart.max())
        if quantised:
            theirs = gguf.quants.dequantize(gguf.quants.quantize(weight, tensor.tensor_type), tensor.tensor_type)
            worst = max(worst, float(numpy.abs(made - theirs.reshape(made.shape)).max()))
        types.add(tensor.tensor_type.name)
    assert types == {"F32", kind.upper()} or types == {"F32", "F16", "Q8_0"}, types
    print(f"  {kind}.gguf: {len(tensors)} tensors of {sorted(types)}, {len(reader.fields)} fields, {len(tokens)} tokens"
          + (f"; at most {worst:.1e} from gguf's own quantisation" if kind == "q8_0" else ""))


def check(args):
    print(args.base)
    tokenizer, template = AutoTokenizer.from_pretrained(args.base), Path(args.template).read_text()
    expected_files(args)
    merged, adapted = load(Path(args.ours) / "merged"), load(args.base, args.adapter)
    texts = same_texts(args, tokenizer, merged, template)
    apart = max((losses(merged, ids)[1] - losses(adapted, ids)[1]).abs().max().item() for ids in texts)
    plain = load(args.base)
    changed = max((losses(merged, ids)[1] - losses(plain, ids)[1]).abs().max().item() for ids in texts)
    print(f"  logits of our merged model in transformers and of our adapter in PEFT: at most {apart:.1e} apart; the adapter changes them by {changed:.1f}")
    assert apart < 1e-3 and changed > 0.1
    same_losses("losses of our adapter, ours and PEFT's", args, "adapter.json", "adapter", tokenizer, adapted, template)
    same_losses("losses of our merged model, ours and transformers'", args, "merged.json", "base", tokenizer, merged, template)
    for kind in ("f16", "q8_0"):
        gguf_file(args, kind, tokenizer, merged)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("command", choices=("prompts", "golden", "check"))
for option in ("rows", "output", "base", "adapter", "prompts", "template", "ours"):
    parser.add_argument("--" + option)
parser.add_argument("--stories", action="store_true")
arguments = parser.parse_args()
torch.set_num_threads(2)
{"prompts": prompts, "golden": golden, "check": check}[arguments.command](arguments)
