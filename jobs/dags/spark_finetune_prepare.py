"""Raw rows into conversations, every night. Ends with a new version of the asset that training waits for.

Everything is a parameter; what to do with the rows says the YAML file. SPARK_FINETUNE_HOME names the folder that holds
conf/ and jobs/target/spark-finetune.jar (default: the one this file lies in), the connection spark_default the cluster.
"""

import os
from datetime import datetime
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Asset

HOME = os.environ.get("SPARK_FINETUNE_HOME", str(Path(__file__).resolve().parents[2]))

with DAG(
    "spark_finetune_prepare",
    description="Raw rows into conversations",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "config": f"file:{HOME}/conf/prepare/sample.yaml",
        "input": f"file:{HOME}/jobs/sample/new-databases.jsonl",
        "output": f"file:{HOME}/data/sample",
        "spark_conf": f"{HOME}/conf/spark/prepare.conf",
    },
):
    SparkSubmitOperator(
        task_id="prepare",
        name="spark-finetune prepare",
        conn_id="spark_default",
        application=f"{HOME}/jobs/target/spark-finetune.jar",
        properties_file="{{ params.spark_conf }}",
        application_args=[
            "prepare",
            "--config",
            "{{ params.config }}",
            "--input",
            "{{ params.input }}",
            "--output",
            "{{ params.output }}",
            # The output is replaced whole or not at all, so a retry may start over.
            "--overwrite",
            "true",
        ],
        retries=2,
        outlets=[Asset("spark_finetune_conversations")],
    )
