"""Training, whenever there are new conversations; then the evaluation, which promotes the adapter if it is better.

A run has one folder for all its tries, so a retry goes on from the last checkpoint there, and one that finds the run
finished changes nothing. The folder "best" always holds the best adapter so far. Parameters and connection as in
spark_finetune_prepare.
"""

import os
from datetime import datetime
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Asset

# The same for every try of a run; a colon is not allowed in Hadoop's paths.
RUN = "{{ params.runs }}/{{ run_id | replace(':', '') | replace('+', '_') }}"
HOME = os.environ.get("SPARK_FINETUNE_HOME", str(Path(__file__).resolve().parents[2]))

with DAG(
    "spark_finetune_train",
    description="Fine-tunes a model on the newest conversations",
    schedule=[Asset("spark_finetune_conversations")],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "config": f"file:{HOME}/conf/train/sample.yaml",
        "model": f"file:{HOME}/jobs/sample/model",
        "dataset": f"file:{HOME}/data/sample",
        "runs": f"file:{HOME}/runs",
        "best": f"file:{HOME}/best",
        "max_steps": -1,
        # What of the test split, and what of evaluate's metrics; the loss decides.
        "evaluate_samples": 200,
        "metrics": "loss",
        "spark_conf": f"{HOME}/conf/spark/train-gpu.conf",
    },
):
    train = SparkSubmitOperator(
        task_id="train",
        name="spark-finetune train",
        conn_id="spark_default",
        application=f"{HOME}/jobs/target/spark-finetune.jar",
        properties_file="{{ params.spark_conf }}",
        application_args=[
            "train",
            "--config",
            "{{ params.config }}",
            "--model_id",
            "{{ params.model }}",
            "--dataset_path",
            "{{ params.dataset }}",
            "--output_dir",
            RUN,
            "--max_steps",
            "{{ params.max_steps }}",
            "--resume_from_checkpoint",
            "auto",
        ],
        retries=3,
    )
    evaluate = SparkSubmitOperator(
        task_id="evaluate",
        name="spark-finetune evaluate",
        conn_id="spark_default",
        application=f"{HOME}/jobs/target/spark-finetune.jar",
        properties_file="{{ params.spark_conf }}",
        application_args=[
            "evaluate",
            "--model_id",
            "{{ params.model }}",
            "--adapter",
            f"{RUN}/adapter",
            "--dataset_path",
            "{{ params.dataset }}",
            "--num_samples",
            "{{ params.evaluate_samples }}",
            "--metrics",
            "{{ params.metrics }}",
            "--promote_to",
            "{{ params.best }}",
        ],
        retries=2,
    )
    train >> evaluate
