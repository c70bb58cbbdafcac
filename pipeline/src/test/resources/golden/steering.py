"""Writes steering.json: learning rates of transformers' schedulers, and what its Trainer takes for the best evaluation.

usage: PYTHONHASHSEED=0 steering.py
needs: torch transformers
"""
import json, random, types
from pathlib import Path
import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerControl, TrainerState, get_scheduler

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
out = dict(rate=RATE, total=TOTAL, schedules=[dict(type=k, warmup=w, kwargs=a, rates=rates(k, w, a)) for k, w, a in SCHEDULES], runs=runs)
(Path(__file__).resolve().parent / "steering.json").write_text(json.dumps(out) + "\n")
print(len(runs), sum(r["ended"] > 0 for r in runs))
