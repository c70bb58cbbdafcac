package org.sparkfinetune.engine.tensor;

import com.sun.jna.Library;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.RunFailure;

/**
 * NVIDIA's library for exchange between GPUs, as far as it is used here: sends and receives through
 * communicators that never block (nccl.h of 2.26).
 */
public final class Nccl {
  /** Bytes of a unique id. */
  static final int ID_BYTES = 128;

  private static final NvidiaLibrary LIBRARY =
      new NvidiaLibrary(
          "NCCL",
          "libnccl",
          "libnccl.so.2",
          "nccl",
          "It comes with PyPI's torch for CUDA, not with an unpacked libtorch; pip install"
              + " nvidia-nccl-cu12, or the system's package libnccl2, brings it.");

  /** The first with communicators that do not block. */
  private static final int LEAST_VERSION = 21400;

  static final int SUCCESS = 0;

  private static final int IN_PROGRESS = 7;

  private final Functions functions;
  private final int version;

  /** Names and types are those of nccl.h, size_t is 64 bits. */
  interface Functions extends Library {
    int ncclGetVersion(IntByReference version);

    int ncclGetUniqueId(byte[] id);

    int ncclCommInitRankConfig(
        PointerByReference communicator, int ranks, UniqueId id, int rank, Pointer config);

    int ncclCommGetAsyncError(Pointer communicator, IntByReference error);

    int ncclGroupStart();

    int ncclGroupEnd();

    int ncclSend(
        Pointer buffer,
        long count,
        int type,
        int peer,
        Pointer communicator,
        @Nullable Pointer stream);

    int ncclRecv(
        Pointer buffer,
        long count,
        int type,
        int peer,
        Pointer communicator,
        @Nullable Pointer stream);

    int ncclCommFinalize(Pointer communicator);

    int ncclCommDestroy(Pointer communicator);

    int ncclCommAbort(Pointer communicator);

    String ncclGetErrorString(int result);

    String ncclGetLastError(@Nullable Pointer communicator);
  }

  /** ncclUniqueId, which is passed as it is and not by its address. */
  @Structure.FieldOrder("internal")
  public static final class UniqueId extends Structure implements Structure.ByValue {
    @SuppressWarnings("PublicField") // JNA reads it
    public byte[] internal;

    UniqueId(byte[] id) {
      internal = id.clone();
    }
  }

  Nccl(Functions functions) {
    this.functions = functions;
    IntByReference code = new IntByReference();
    check(functions.ncclGetVersion(code), "ncclGetVersion");
    this.version = code.getValue();
    if (version < LEAST_VERSION) {
      throw new RunFailure(
          "NCCL's version is %s; 2.14 or a later one is needed. PyPI's torch==2.7.1 brings 2.26.2."
              .formatted(version()));
    }
  }

  /**
   * Finds it beside libtorch, in PyPI's package of its own, or on the library path.
   *
   * @throws RunFailure if it is nowhere, or too old
   */
  public static Nccl find(Map<String, String> environment) {
    return new Nccl(LIBRARY.load(Functions.class, environment));
  }

  /** As NVIDIA writes it: 2.26.2. */
  public String version() {
    // NCCL_VERSION of nccl.h; before 2.9 thousands stood for the major version.
    int major = version >= 10000 ? 10000 : 1000;
    return "%s.%s.%s".formatted(version / major, version % major / 100, version % 100);
  }

  /**
   * What the ranks of a communicator have to have in common; made by one of them.
   *
   * @throws RunFailure with NCCL's words
   */
  public byte[] uniqueId() {
    byte[] id = new byte[ID_BYTES];
    check(functions.ncclGetUniqueId(id), "ncclGetUniqueId");
    return id;
  }

  /**
   * Begins to join a communicator, which is there when {@link NcclCommunicator#isReady}.
   *
   * @param device of this rank; a GPU that no other rank has
   * @throws RunFailure with NCCL's or the driver's words
   */
  public NcclCommunicator join(ComputeDevice device, byte[] id, int rank, int ranks) {
    Runnable use =
        device instanceof ComputeDevice.Cuda cuda ? CudaDriver.open(cuda)::use : () -> {};
    return new NcclCommunicator(this, use, new UniqueId(id), rank, ranks);
  }

  Functions functions() {
    return functions;
  }

  /** Whether a call is done; if not, it goes on in the background. */
  boolean isDone(int result, String call) {
    check(result, call);
    return result != IN_PROGRESS;
  }

  static boolean isFailure(int result) {
    return result != SUCCESS && result != IN_PROGRESS;
  }

  /** Results of calls that do not block. */
  void check(int result, String call) {
    if (isFailure(result)) {
      String words = String.valueOf(functions.ncclGetLastError(null)).strip();
      throw new RunFailure(
          "NCCL's %s failed: %s.%s"
              .formatted(
                  call,
                  functions.ncclGetErrorString(result),
                  words.isEmpty() ? "" : " It says: " + CudaTrouble.shortened(words)));
    }
  }
}
