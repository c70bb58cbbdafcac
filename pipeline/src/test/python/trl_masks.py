"""Compares ids and masks of tool-calling conversations with TRL's. Opt-in: needs transformers and TRL's templates.

    pip install transformers jinja2 && pip download --no-deps trl && unzip trl-*.whl
    python trl_masks.py --classpath "target/test-classes:target/classes:$(cat cp.txt)" \
        --tokenizer FOLDER --templates trl/chat_templates qwen2_5 qwen3 deepseekv3

For each name, NAME_training.jinja marks the assistant's text by {% generation %}; TRL's mask is what transformers'
apply_chat_template makes of it. Ours has to be equal for that template, and for NAME.jinja, which marks nothing,
wherever both write the same text; but for white space at the beginning of a turn (which the generation prompt has
already) and behind the token that ends it, which TRL marks in some templates and we do not train without a mark. The tokenizer gets the special tokens that the templates write.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile

from transformers import PreTrainedTokenizerFast

TOOLS = [{"type": "function", "function": {
    "name": name, "description": "Gives " + name, "parameters": {
        "type": "object", "properties": {"table": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["table"]}}} for name in ("row_count", "columns")]
WORDS = "ships docks how many <tool_call> rows 'quoted' \"x\" é 😀 {{ x }} |> ports\n and 42 .".split(" ")


def text(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 8)))


def conversation(rng):
    messages = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": text(rng)})
    tools = rng.random() < 0.7
    for _ in range(rng.randint(1, 3)):
        messages.append({"role": "user", "content": text(rng)})
        if tools and rng.random() < 0.7:
            calls = [{"type": "function", "id": "call%05d" % rng.randint(0, 99999), "function": {
                "name": rng.choice(TOOLS)["function"]["name"],
                "arguments": {"table": text(rng), "n": rng.randint(0, 9)}}} for _ in range(rng.randint(1, 2))]
            messages.append({"role": "assistant", "content": rng.choice(["", text(rng)]), "tool_calls": calls})
            for call in calls:
                messages.append({"role": "tool", "name": call["function"]["name"], "tool_call_id": call["id"],
                                 "content": text(rng)})
        answer = {"role": "assistant", "content": text(rng)}
        if rng.random() < 0.3:
            answer["reasoning_content"] = text(rng)
        messages.append(answer)
    return {"messages": messages, "tools": TOOLS if tools else None}


def tokenizer(base, sources, folder):
    made = PreTrainedTokenizerFast(tokenizer_file=os.path.join(base, "tokenizer.json"))
    special = sorted(set(re.findall(r"<[|｜][^<>{}' ]+?[|｜]>|\[gMASK\]<sop>", "".join(sources))))
    made.add_special_tokens({"additional_special_tokens": special, "eos_token": special[0], "bos_token": special[-1]})
    made.save_pretrained(folder)
    return made


def without_space_around(tokenizer, ids, mask):
    """Without white space at the beginning of a turn, and behind the token that ends it."""
    mask = list(mask)
    blank = [not tokenizer.decode([i]).strip() for i in ids]
    for i in range(1, len(ids)):
        ends = mask[i - 1] and tokenizer.convert_ids_to_tokens(ids[i - 1]) in tokenizer.all_special_tokens
        if mask[i] and blank[i] and (ends or not mask[i - 1]):
            mask[i] = 0
    return mask


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--classpath", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--templates", required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="+")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    rows = [conversation(rng) for _ in range(args.count)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    failed = False
    for name in args.names:
        files = [os.path.join(args.templates, name + end) for end in ("_training.jinja", ".jinja")]
        sources = [open(file, encoding="utf-8", newline="").read() for file in files]
        with tempfile.TemporaryDirectory() as folder:
            theirs = tokenizer(args.tokenizer, sources, folder)
            marked = [theirs.apply_chat_template(
                row["messages"], tools=row["tools"], chat_template=sources[0], tokenize=True,
                return_dict=True, return_assistant_tokens_mask=True) for row in rows]
            for file, source in zip(files, sources):
                ours = [json.loads(line) for line in subprocess.run(
                    ["java", "--add-modules=jdk.incubator.vector", "-cp", args.classpath,
                     "org.sparkfinetune.data.tokenize.MaskLines", folder, file],
                    input=lines.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    check=True).stdout.decode().splitlines()]
                ids = masks = compared = 0
                for row, their, our in zip(rows, marked, ours, strict=True):
                    expected = theirs.apply_chat_template(row["messages"], tools=row["tools"], chat_template=source)
                    ids += our.get("ids") == expected
                    if expected == their["input_ids"]:
                        compared += 1
                        mask = their["assistant_masks"]
                        if file == files[1]:
                            mask = without_space_around(theirs, expected, mask)
                        same = [int(x) for x in our.get("trained", [])] == mask
                        masks += same
                        if not same and not failed:
                            shown = [theirs.decode([i for i, m in zip(expected, mask) if m]) for mask in (
                                their["assistant_masks"], our.get("trained", []))]
                            print("theirs:", shown[0], "\nours:  ", shown[1], our.get("error", ""))
                            failed = True
                failed |= ids < len(rows) or masks < compared
                print("%s: %d of %d ids equal, %d of %d masks" % (
                    os.path.basename(file), ids, len(rows), masks, compared), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
