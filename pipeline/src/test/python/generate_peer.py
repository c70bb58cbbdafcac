"""What `jobs/bin/bench generate` is laid beside: transformers' greedy generate over bitsandbytes' NF4 on this machine's CPU.

usage: generate_peer.py --model_id FOLDER [--batch 1] [--prompt_tokens 32] [--max_new_tokens 64] [--threads 2] [--repeats 5]
                        [--compute bfloat16|float32]
Prints one JSON line; without --compute that of the faster type, which depends on the processor. needs: torch transformers bitsandbytes accelerate
"""
import argparse, json, time
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model_id", required=True)
for option, default in (("batch", 1), ("prompt_tokens", 32), ("max_new_tokens", 64), ("threads", 2), ("repeats", 5)):
    parser.add_argument("--" + option, type=int, default=default)
parser.add_argument("--compute", choices=("bfloat16", "float32"))
a = parser.parse_args()
torch.set_num_threads(a.threads)


def measured(compute):
    dtype = getattr(torch, compute)
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype)
    model = AutoModelForCausalLM.from_pretrained(a.model_id, dtype=dtype, quantization_config=nf4, device_map={"": "cpu"}).eval()
    ids = torch.randint(3, model.config.vocab_size, (a.batch, a.prompt_tokens), generator=torch.Generator().manual_seed(1))

    def seconds(tokens):
        started = time.perf_counter()
        made = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens, pad_token_id=0)
        assert made.shape[1] == a.prompt_tokens + tokens
        return time.perf_counter() - started

    seconds(1)
    first = min(seconds(1) for _ in range(a.repeats))
    best = min(seconds(a.max_new_tokens) for _ in range(a.repeats))
    return {
        "peer": "transformers, bitsandbytes NF4", "compute": compute, "batch": a.batch, "threads": a.threads,
        "tokens_per_second": a.batch * a.max_new_tokens / best,
        "decode_tokens_per_second": a.batch * (a.max_new_tokens - 1) / (best - first),
    }


with torch.inference_mode():
    results = [measured(compute) for compute in ([a.compute] if a.compute else ["bfloat16", "float32"])]
print(json.dumps(max(results, key=lambda result: result["tokens_per_second"])))
