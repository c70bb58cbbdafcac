package org.sparkfinetune.model.safetensors;

import java.nio.file.Path;

/** Bytes {@code [position, position + length)} of a local file. */
public record FileRange(Path file, long position, long length) {}
