/**
 * safetensors: single files, sharded checkpoints with their {@code index.json}, range reads on any
 * Hadoop file system, mapping in place on local disks, and a streaming writer.
 *
 * <p>May use Hadoop's file systems, Jackson and {@code errors}. Hand-written because the format's
 * own library is Rust and Python, and what exists for the JVM reads whole files into memory: here a
 * rank reads only its slice of a tensor. Everything in a header is checked before a byte of data is
 * believed, so that a broken or hostile file ends in one sentence that names file and tensor.
 *
 * <p>The decision a newcomer would question: local files are read through {@code java.nio} and not
 * through Hadoop's checksummed local file system, which copies every byte through its checksum
 * buffers, opens a new stream for every positioned read, and cannot map.
 */
@NullMarked
package org.sparkfinetune.model.safetensors;

import org.jspecify.annotations.NullMarked;
