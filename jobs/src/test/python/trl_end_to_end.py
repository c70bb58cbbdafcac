"""The peer, measured: from raw rows to a QLoRA adapter with datasets, TRL, PEFT and bitsandbytes. Prints one JSON line.

usage: trl_end_to_end.py --model FOLDER --rows FILE.jsonl --template FILE.jinja --output FOLDER [--epochs 2] [--length 512] [--micro 1: rows in one micro-batch]
       [--dtype bfloat16]

Rows are {question, context, answer}. Packing as SFTTrainer has it by itself; 4 packed rows an optimizer step, NF4 with double quantisation, LoRA r 16 on
all linears, dropout 0.05, AdamW, bf16 compute, gradient checkpointing, all cores.
"""
import argparse, json, os, resource, tempfile, time
t0 = time.time()
a = argparse.ArgumentParser(); a.add_argument("--model", required=True); a.add_argument("--rows", required=True); a.add_argument("--template", required=True); a.add_argument("--output", required=True)
a.add_argument("--epochs", type=int, default=2); a.add_argument("--length", type=int, default=512); a.add_argument("--micro", type=int, default=1); a.add_argument("--dtype", default="bfloat16"); a = a.parse_args()
cache = tempfile.TemporaryDirectory(); os.environ["HF_DATASETS_CACHE"] = cache.name; os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer
imported = time.time(); dtype = getattr(torch, a.dtype)
system = "You are an text to SQL query translator. Users will ask you questions in English and you will generate a SQL query based on the provided SCHEMA.\nSCHEMA:\n"
def conversation(r): return {"messages": [{"role": "system", "content": system + r["context"]}, {"role": "user", "content": r["question"]}, {"role": "assistant", "content": r["answer"]}]}
rows = load_dataset("json", data_files=a.rows, split="train").shuffle(seed=42)
rows = rows.map(conversation, remove_columns=rows.column_names).train_test_split(test_size=1, seed=42)["train"]; prepared = time.time()
tokenizer = AutoTokenizer.from_pretrained(a.model); tokenizer.chat_template = open(a.template).read()
nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype)
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=dtype, attn_implementation="sdpa", quantization_config=nf4, device_map={"": "cpu"}); loaded = time.time()
config = SFTConfig(output_dir=a.output, packing=True, max_length=a.length, num_train_epochs=a.epochs, per_device_train_batch_size=a.micro, gradient_accumulation_steps=4 // a.micro, learning_rate=2e-4,
    lr_scheduler_type="constant", max_grad_norm=0.3, optim="adamw_torch", bf16=dtype is torch.bfloat16, use_cpu=True, gradient_checkpointing=True, logging_steps=10, save_strategy="no", report_to="none", seed=42)
trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer, peft_config=LoraConfig(r=16, lora_alpha=8, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM"))
packed = time.time(); result = trainer.train(); trained = time.time(); trainer.save_model(); saved = time.time()
print(json.dumps(dict(peer="trl+peft", rows=len(rows), packed_rows=len(trainer.train_dataset), tokens=sum(map(len, trainer.train_dataset["input_ids"])), steps=result.global_step, micro=a.micro, dtype=a.dtype,
    loss=round(result.training_loss, 4), threads=torch.get_num_threads(), import_s=round(imported - t0, 2), prepare_s=round(prepared - imported, 2), load_s=round(loaded - prepared, 2), pack_s=round(packed - loaded, 2),
    train_s=round(trained - packed, 2), save_s=round(saved - trained, 2), total_s=round(saved - t0, 2), rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))
