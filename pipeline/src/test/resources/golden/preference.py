"""Writes variants/preference/: trajectories of TRL's DPOTrainer on the golden model and on the tied one, over pairs of random tokens.

usage: PYTHONHASHSEED=0 preference.py  (beside this file: model/, adapter-start.safetensors, variants/tied/, variants/tied-lm_head.start/)
needs: torch transformers peft trl safetensors. Float32, one thread. NAME.json: each step's loss, norm and TRL's metrics; NAME.safetensors:
       every seventh element of what was trained. rows*.safetensors: the pairs as packed rows, the chosen sequence and the rejected one.
"""
import importlib.metadata, json, random, shutil, sys, tempfile
from pathlib import Path
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer
here = Path(__file__).resolve().parent; variants = here / "variants"; out = variants / "preference"
shutil.rmtree(out, ignore_errors=True); out.mkdir()
torch.set_num_threads(1); torch.use_deterministic_algorithms(True)
STEPS, PAIRS, LENGTH = 20, 4, 96
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

def pairs(vocabulary):
    """Answers of unequal lengths to prompts, as DPOTrainer has them once they are tokenised."""
    random.seed(11)
    def ids(n): return [random.randrange(4, vocabulary) for _ in range(n)]
    return [dict(prompt_ids=ids(random.randint(2, 16)), chosen_ids=ids(random.randint(1, 24)), rejected_ids=ids(random.randint(1, 24))) for _ in range(STEPS * PAIRS)]

def rows(pairs, file):
    """Labels are of the answers alone; a row's two sequences are two segments."""
    columns = dict(input_ids=0, labels=-100, position_ids=0, segment_ids=-1)
    tensors = {n: torch.full((len(pairs), LENGTH), fill, dtype=torch.int32) for n, fill in columns.items()}
    for row, pair in enumerate(pairs):
        at = 0
        for segment, answer in enumerate((pair["chosen_ids"], pair["rejected_ids"])):
            ids = torch.tensor(pair["prompt_ids"] + answer); end = at + len(ids)
            tensors["input_ids"][row, at:end] = ids; tensors["labels"][row, end - len(answer):end] = torch.tensor(answer)
            tensors["position_ids"][row, at:end] = torch.arange(len(ids)); tensors["segment_ids"][row, at:end] = segment; at = end
    save_file(tensors, out / file, metadata={"format": "pt"})

class InOrder(DPOTrainer):
    """Takes pairs that are tokenised, one after the other."""
    def _prepare_dataset(self, dataset, *unused): return dataset
    def _get_train_sampler(self, *unused): return torch.utils.data.SequentialSampler(self.train_dataset)

def run(name, model, data, vocabulary, rate=2e-3, **settings):
    words = {f"w{i}": i for i in range(vocabulary - 3)} | {"<pad>": vocabulary - 3, "<s>": vocabulary - 2, "</s>": vocabulary - 1}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<pad>")), pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="left")
    with tempfile.TemporaryDirectory() as folder:
        args = DPOConfig(folder, per_device_train_batch_size=PAIRS, max_steps=STEPS, learning_rate=rate, lr_scheduler_type="constant", max_grad_norm=0.3, logging_steps=1, bf16=False,
                         gradient_checkpointing=False, use_cpu=True, report_to="none", save_strategy="no", optim="adamw_torch", max_length=None, disable_tqdm=True, seed=7, **settings)
        trainer = InOrder(model=model, args=args, train_dataset=Dataset.from_list(data), processing_class=tokenizer)
        trainer.train()
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    kept = ("rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected")
    steps = []
    for i, entry in enumerate(log):
        tokens = sum(len(p["chosen_ids"]) + len(p["rejected_ids"]) for p in data[i * PAIRS:(i + 1) * PAIRS])
        # Trainer rounds what it logs of the loss; the callback below has it whole
        steps.append(dict(step=i + 1, loss=trainer.exact[i], grad_norm=entry["grad_norm"], learning_rate=entry["learning_rate"], trained_tokens=tokens, **{k: entry[k] for k in kept}))
    (out / f"{name}.json").write_text(json.dumps(dict(steps=steps, lr=rate, **settings), indent=1) + "\n")
    trained = trainer.model
    tensors = get_peft_model_state_dict(trained, save_embedding_layers=False) if hasattr(trained, "peft_config") else dict(trained.named_parameters())
    save_file({n: t.detach().float().flatten()[::7].clone() for n, t in tensors.items()}, out / f"{name}.safetensors", metadata={"format": "pt"})
    print(f"{name:14s} {steps[0]['loss']:.6f} -> {steps[-1]['loss']:.6f}  margins {steps[-1]['rewards/margins']:.4f}")

def exact(self, model, inputs, return_outputs):
    loss = plain(self, model, inputs, return_outputs)
    self.exact = getattr(self, "exact", []) + [loss.item()]
    return loss
plain, DPOTrainer._compute_loss = DPOTrainer._compute_loss, exact

def base(folder): return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
def golden():
    """An SFT adapter that is trained on: the reference is the model with it."""
    model = get_peft_model(base(here / "model"), LoraConfig(r=8, lora_alpha=16, lora_dropout=0.1, bias="none", target_modules=LINEARS, task_type="CAUSAL_LM"))
    start = load_file(here / "adapter-start.safetensors")
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.requires_grad: p.copy_(start[n.replace(".default", "")])
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder); return PeftModel.from_pretrained(base(here / "model"), folder, is_trainable=True)

large, small = pairs(320), pairs(96); rows(large, "rows.safetensors"); rows(small, "rows-tied.safetensors")
run("sigmoid", golden(), large, 320)
run("ipo", golden(), large, 320, loss_type=["ipo"], beta=0.3)
run("mixed", golden(), large, 320, loss_type=["sigmoid", "sft", "ipo"], loss_weights=[0.8, 1.5, 0.1], beta=0.5)
run("full", base(here / "model"), large, 320, rate=5e-4)
run("head", PeftModel.from_pretrained(base(variants / "tied"), variants / "tied-lm_head.start", is_trainable=True), small, 96, loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.5])
versions = {p: importlib.metadata.version(p) for p in ("torch", "transformers", "peft", "trl")}
(out / "versions.json").write_text(json.dumps(versions) + "\n")
