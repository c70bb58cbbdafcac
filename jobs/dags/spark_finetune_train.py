"""Training, whenever there are new conversations.

A run has one folder for all its tries, so a retry goes on from the last checkpoint there, and one that finds the run
finished changes nothing. Parameters and connection as in spark_finetune_prepare.
"""

import os
from datetime import datetime
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Asset

HOME = os.environ.get("SPARK_FINETUNE_HOME", str(Path(__file__).resolve().parents[2]))

with DAG(
    "spark_finetune_train",
    description="Fine-tunes a Llama on the newest conversations",
    schedule=[Asset("spark_finetune_conversations")],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "config": f"file:{HOME}/conf/train/sample.yaml",
        "model": f"file:{HOME}/jobs/sample/model",
        "dataset": f"file:{HOME}/data/sample",
        "runs": f"file:{HOME}/runs",
        "max_steps": -1,
        "spark_conf": f"{HOME}/conf/spark/train-gpu.conf",
    },
):
    SparkSubmitOperator(
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
            # The same for every try of a run; a colon is not allowed in Hadoop's paths.
            "--output_dir",
            "{{ params.runs }}/{{ run_id | replace(':', '') | replace('+', '_') }}",
            "--max_steps",
            "{{ params.max_steps }}",
            "--resume_from_checkpoint",
            "auto",
        ],
        retries=3,
    )
