/**
 * The one door to libtorch. {@code scripts.py} beside this package holds every tensor operation as
 * TorchScript, compiled from text when a process starts; {@link
 * org.sparkfinetune.engine.tensor.Ops} is its typed facade. Only this package (and {@code
 * tokenize}, for tokenizers) may use DJL.
 *
 * <p>Why scripts and not DJL's own arrays: those lack bfloat16 (an argument of that type aborts the
 * JVM) and most fused operators, while a script reaches all of libtorch, on CPU and CUDA alike. Why
 * gradients are written by hand: a decoder layer's backward is known, autograd inside it would only
 * keep more alive. Attention has two ways on the CPU ({@link
 * org.sparkfinetune.engine.tensor.Processor.CpuAttention}): libtorch's kernel is made for matrix
 * units, and where there are none it takes longer than blocks of products, {@code
 * AttentionBenchmark} says by how much.
 *
 * <p>{@link org.sparkfinetune.engine.tensor.ComputeDevice} says where tensors live. On the CPU host
 * code works in their own memory; for CUDA everything passes through {@link
 * org.sparkfinetune.engine.tensor.HostMemory}, and what is large through {@link
 * org.sparkfinetune.engine.tensor.Uploads}. A libtorch for CUDA takes the place of the jar's by the
 * environment ({@link org.sparkfinetune.engine.tensor.LibtorchFolder}), and what goes wrong with it
 * is told apart by libtorch's words, the only thing that comes through the bridge ({@link
 * org.sparkfinetune.engine.tensor.CudaTrouble} before a run, {@link
 * org.sparkfinetune.engine.tensor.DeviceFailure} in it). What a GPU does differently is in few
 * places: memory that is pinned, the name of the device, a stream for copies ({@code streams.py}),
 * {@link org.sparkfinetune.engine.tensor.DeviceSizes}, operators where the script asks {@code
 * is_cuda} (attention, and what is done in fewer kernels), and two kernels of our own ({@code
 * kernels.cu}) for what takes libtorch's operators ten passes over memory and more: NF4 and
 * dropout. Those are compiled by NVRTC and launched by CUDA's driver, both through JNA, which DJL
 * brings: no native code of ours has to be built. NCCL, by which GPUs of one host exchange
 * gradients, is called by JNA too ({@link org.sparkfinetune.engine.tensor.NcclCommunicator}). None
 * of these has run on a GPU yet: {@code .ci/gpu-scripts} emulates the operators on the CPU, kernels
 * and streams compile, kernels and NCCL are tested with fakes that work on the host's memory, and
 * all else on {@link org.sparkfinetune.engine.tensor.ComputeDevice.Staged}.
 */
@NullMarked
package org.sparkfinetune.engine.tensor;

import org.jspecify.annotations.NullMarked;
