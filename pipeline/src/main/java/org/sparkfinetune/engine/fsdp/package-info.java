/**
 * Sharding in the manner of PyTorch's FSDP: the weights of a layer form one flat parameter, every
 * rank holds an equal slice of it, and a layer exists whole only while it runs.
 *
 * <p>Frozen and trainable weights are two different things here. Frozen ones never change: a rank
 * keeps its slice in a file ({@link org.sparkfinetune.engine.fsdp.ShardStore}) and reads the
 * others' when it needs them, with no collective and no waiting for a slow peer. On a GPU all
 * ranks' slices of as many groups as fit stay in its memory ({@link
 * org.sparkfinetune.engine.fsdp.ResidentShards}) and are not asked for again. Trainable ones are
 * versioned by step ({@link org.sparkfinetune.engine.fsdp.TrainableGroup}): the owner of a slice
 * adds up all ranks' gradients for it, updates it and publishes the next version. Gradients come to
 * it by the exchange or, between GPUs of one host, by NCCL ({@link
 * org.sparkfinetune.engine.fsdp.DeviceCollectives}); the owner adds in rank order either way, so
 * the bits are the same. NCCL itself has not run yet, for want of GPUs: ranks are tested with a
 * library that works on the host's memory and holds its callers to NCCL's contract.
 *
 * <p>May use {@code tensor}, {@code quant} and {@code exchange}. Hand-written because no library on
 * the JVM shards a model.
 */
@NullMarked
package org.sparkfinetune.engine.fsdp;

import org.jspecify.annotations.NullMarked;
