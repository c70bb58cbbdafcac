/**
 * Tells an MLflow tracking server how a run goes ({@code report_to: mlflow}), through its REST
 * interface, since MLflow's Java client would bring a second HTTP stack for six requests. Uses
 * {@code metrics}.
 *
 * <p>A newcomer would ask why the driver tells it and not rank 0: the driver is the process that
 * knows the server's address and password, and that outlives a lost executor. It reads what rank 0
 * wrote to {@code metrics.jsonl}, as the terminal's progress does. A server that fails in the
 * course of a run is no reason to end it: what it missed is sent with the next line.
 */
@NullMarked
package org.sparkfinetune.report.mlflow;

import org.jspecify.annotations.NullMarked;
