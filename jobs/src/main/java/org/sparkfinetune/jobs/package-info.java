/**
 * LLM fine-tuning on Apache Spark. Each package below says what it is for and what it may use;
 * {@code ArchitectureTest} enforces it.
 */
@NullMarked
package org.sparkfinetune.jobs;

import org.jspecify.annotations.NullMarked;
