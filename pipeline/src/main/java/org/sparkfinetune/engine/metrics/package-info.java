/**
 * The files by which a run tells what it did: {@code metrics.jsonl}, {@code summary.json}, {@code
 * provenance.json}, TensorBoard's events, and what the terminal shows of a run. Uses {@code
 * errors}, {@code progress}, Hadoop's file systems, Jackson, and TensorFlow's protocol messages.
 *
 * <p>The decision a newcomer would question: a resumed run rewrites what was logged after its
 * checkpoint instead of appending. Tests, reports and people read these files with ten-line scripts
 * that know nothing of attempts, and for them no step may appear twice.
 *
 * <p>Hand-written: the framing of TensorBoard's records (length, masked CRC-32C, data; 40 lines).
 * Libraries that have it bring a whole TensorFlow runtime along. The messages inside are {@code
 * org.tensorflow:proto}'s.
 */
@NullMarked
package org.sparkfinetune.engine.metrics;

import org.jspecify.annotations.NullMarked;
