"""Writes steering.json: learning rates of transformers' schedulers, what its Trainer takes for the best evaluation, when it evaluates,
and trajectories of the golden model with label smoothing and with NEFTune's noise.

usage: PYTHONHASHSEED=0 steering.py  (beside this file: model/, rows.safetensors, adapter-start.safetensors)
needs: torch transformers peft safetensors numpy; parity.py of src/test/python does the steps. One thread.
"""
import importlib.metadata, json, random, sys, types
from pathlib import Path
import numpy as np
import torch
from transformers import DefaultFlowCallback, EarlyStoppingCallback, Trainer, TrainerControl, TrainerState, get_scheduler
from transformers.trainer_pt_utils import LabelSmoother
from transformers.trainer_utils import IntervalStrategy, SaveStrategy
here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / "python"))
import parity
torch.set_num_threads(1); torch.use_deterministic_algorithms(True)

TOTAL, RATE = 20, 2e-4
SCHEDULES = [
    ("constant", 3, {}), ("constant_with_warmup", 3, {}), ("linear", 3, {}), ("cosine", 0, {}), ("cosine", 3, dict(num_cycles=1.5)),
    ("cosine_with_restarts", 2, dict(num_cycles=3)), ("cosine_with_restarts", 0, {}), ("cosine_with_min_lr", 2, dict(min_lr=1e-5)),
    ("cosine_with_min_lr", 0, dict(min_lr_rate=0.1, num_cycles=1)), ("polynomial", 2, {}), ("polynomial", 0, dict(lr_end=1e-5, power=2.5)),
    ("inverse_sqrt", 4, {}), ("inverse_sqrt", 0, {}), ("inverse_sqrt", 2, dict(timescale=7)), ("warmup_stable_decay", 4, dict(num_decay_steps=6)),
    ("warmup_stable_decay", 4, dict(num_decay_steps=5, num_stable_steps=3, warmup_type="cosine", decay_type="1-sqrt", min_lr_ratio=0.1)),
    ("warmup_stable_decay", 5, dict(num_decay_steps=9, warmup_type="1-sqrt", decay_type="linear")),
]

def rates(kind, warmup, kwargs):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=TOTAL, scheduler_specific_kwargs=dict(kwargs))
    all = []
    for _ in range(TOTAL):
        all.append(scheduler.get_last_lr()[0]); optimizer.step(); scheduler.step()
    return all

def best(values, greater, patience, threshold):
    """The order of calls is Trainer's: the callback looks at an evaluation before it may become the best."""
    args = types.SimpleNamespace(metric_for_best_model="loss", greater_is_better=greater, save_strategy="steps")
    state, control, callback = TrainerState(), TrainerControl(), EarlyStoppingCallback(patience, threshold)
    trainer = types.SimpleNamespace(args=args, state=state)
    for step, value in enumerate(values, 1):
        state.global_step = step
        callback.on_evaluate(args, state, control, {"eval_loss": value})
        Trainer._determine_best_metric(trainer, {"eval_loss": value}, None)
        if control.should_training_stop: break
    return dict(best=state.best_metric, step=state.best_global_step, ended=step if control.should_training_stop else 0)

random.seed(5)
runs = []
for _ in range(40):
    values = [round(random.choice([1.0, 2.0]) + random.random() * random.choice([0.01, 0.5]), 3) for _ in range(12)]
    case = dict(values=values, greater=random.random() < 0.3, patience=random.randint(1, 8), threshold=random.choice([0.0, 0.0, 0.05, 0.3]))
    runs.append({**case, **best(**case)})

def evaluated(strategy, steps_per_epoch, every, delay, total=12):
    """After which steps DefaultFlowCallback asks for an evaluation."""
    args = types.SimpleNamespace(logging_strategy=IntervalStrategy.NO, logging_first_step=False, eval_strategy=IntervalStrategy(strategy), eval_delay=delay, save_strategy=SaveStrategy.NO)
    state, flow, steps = TrainerState(), DefaultFlowCallback(), []
    state.max_steps, state.eval_steps = total, every
    for step in range(1, total + 1):
        control = TrainerControl(); state.global_step, state.epoch = step, step / steps_per_epoch
        flow.on_step_end(args, state, control)
        if step % steps_per_epoch == 0: flow.on_epoch_end(args, state, control)
        if control.should_evaluate: steps.append(step)
    return steps

DELAYS = [(s, p, e, d) for s in ("steps", "epoch") for p, e, d in ((4, 3, 0), (4, 5, 5), (4, 5, 5.5), (4, 4, 2), (3, 4, 2.5), (4, 5, 11), (4, 3, 20))]
delays = [dict(strategy=s, per_epoch=p, every=e, delay=d, steps=evaluated(s, p, e, d)) for s, p, e, d in DELAYS]

# ---- trajectories ---------------------------------------------------------------------------------------------------
SEED, ALPHA, SMOOTHING, M64, M32 = 7, 5.0, 0.1, 2**64 - 1, 2**32 - 1
rows = parity.read_rows(here / "rows.safetensors"); plain = parity.forward; row_of_run = 0

def smoothed(model, row, cross=False):
    """parity.forward with the sum that transformers' LabelSmoother makes of its logits."""
    logits, _, n = plain(model, row, cross); kept = row[3] >= 0; labels, segments = row[1][kept], row[3][kept]
    target = torch.cat([labels[1:], torch.tensor([-100])]); target[:-1][segments[1:] != segments[:-1]] = -100
    return logits, LabelSmoother(epsilon=SMOOTHING)(dict(logits=logits[None]), target[None], num_items_in_batch=1), n

def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64; z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)

def noise(step, row, samples, width):
    """Of a row's tokens, between -+ ALPHA / sqrt(L H) with L tokens of the sample: what EmbeddingNoise draws, written again."""
    key = mix((SEED + 0x9E3779B97F4A7C15) & M64)
    for part in (step, row, -1, 0): key = mix(key ^ ((part + 0x9E3779B97F4A7C15) & M64))
    x = (np.arange(len(samples) * width, dtype=np.uint64) * 0x9E3779B1 + (key & M32)) & M32 ^ (key >> 32)
    x ^= x >> 16; x = x * 0x85EBCA6B & M32; x ^= x >> 13; x = x * 0xC2B2AE35 & M32; x ^= x >> 16
    unit = torch.from_numpy((x.astype(np.uint32).view(np.int32) >> 8).astype(np.float32) / 2**23).view(-1, width)
    lengths = torch.tensor([int((samples == s).sum()) for s in samples])
    return unit * (ALPHA / torch.sqrt(lengths * width))[:, None]

def noisy(model, row, cross=False):
    """parity.forward with noise on the output of the embedding, as transformers' neftune_post_forward_hook adds it."""
    global row_of_run
    step, of_step = row_of_run // 4 + 1, row_of_run % 4; row_of_run += 1; samples = row[3][row[3] >= 0]
    hook = model.get_input_embeddings().register_forward_hook(lambda module, input, output: output + noise(step, of_step, samples, output.size(2))[None])
    try: return plain(model, row, cross)
    finally: hook.remove()

def golden(full):
    model = parity.load(here / "model")
    if full: return model
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, bias="none", target_modules=list(parity.LINEARS), task_type="CAUSAL_LM"))
    start = load_file(here / "adapter-start.safetensors")
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.requires_grad: p.copy_(start[n.replace(".default", "")])
    return model

trajectories = {}
for name, full, forward in (("smoothed-lora", False, smoothed), ("smoothed-full", True, smoothed), ("noisy-lora", False, noisy), ("noisy-full", True, noisy)):
    parity.forward, row_of_run = forward, 0
    trajectories[name] = parity.train(golden(full), rows, steps=20, lr=5e-4 if full else 2e-3)
    print(name, trajectories[name][0]["loss"], trajectories[name][-1]["loss"])
versions = {p: importlib.metadata.version(p) for p in ("torch", "transformers", "peft")}
out = dict(versions=versions, rate=RATE, total=TOTAL, schedules=[dict(type=k, warmup=w, kwargs=a, rates=rates(k, w, a)) for k, w, a in SCHEDULES], runs=runs,
           delays=delays, smoothing=SMOOTHING, alpha=ALPHA, trajectories=trajectories)
(here / "steering.json").write_text(json.dumps(out) + "\n")
print(len(runs), sum(r["ended"] > 0 for r in runs))
