package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.Parallelism.DdpBackend;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Nccl;
import org.sparkfinetune.engine.tensor.NcclCommunicator;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;
import org.sparkfinetune.errors.UserError;

/**
 * Where all ranks agree whether gradients go between their GPUs by NCCL: one that cannot takes all
 * to the way by the host. It can where all ranks are on one host, compute on a GPU, find the
 * library, and NCCL connects the GPUs, which it refuses where two ranks have the same one.
 */
public final class NcclRendezvous {
  private static final Logger LOG = LoggerFactory.getLogger(NcclRendezvous.class);

  /** For all GPUs to be connected. */
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private static final Duration PAUSE = Duration.ofMillis(5);

  private static final String CANDIDATES = "nccl candidates";
  private static final String JOINED = "nccl joined";

  /** What a rank says that waited for one with a reason of its own. */
  private static final String CONSEQUENCE = "it gave up";

  private final Ops ops;
  private final ProcessGroup exchange;
  private final Supplier<Nccl> library;
  private final Duration patience;

  /**
   * @param library finds it, or throws a RunFailure
   */
  public NcclRendezvous(Ops ops, ProcessGroup exchange, Supplier<Nccl> library) {
    this(ops, exchange, library, PATIENCE);
  }

  NcclRendezvous(Ops ops, ProcessGroup exchange, Supplier<Nccl> library, Duration patience) {
    this.ops = ops;
    this.exchange = exchange;
    this.library = library;
    this.patience = patience;
  }

  /**
   * The way from GPU to GPU; none where it cannot be had or is not asked for. All ranks together.
   *
   * @throws UserError if NCCL was asked for by name and cannot be had; of more than two ranks the
   *     last may hear first that another has ended, a RunFailure that names it
   */
  public Optional<DeviceCollectives> meet(DdpBackend backend) {
    if (exchange.worldSize() == 1 || backend == DdpBackend.SPARK) {
      return Optional.empty();
    }
    Meeting meeting = meet();
    meeting.objection().ifPresent(objection -> refuse(backend, objection));
    return meeting.communicator().map(this::collectives);
  }

  private DeviceCollectives collectives(NcclCommunicator own) {
    try {
      return new DeviceCollectives(ops, exchange, own);
    } catch (RuntimeException e) {
      own.abort();
      throw e;
    }
  }

  private void refuse(DdpBackend backend, String objection) {
    if (backend == DdpBackend.NCCL) {
      throw new UserError(
          "ddp_backend is nccl, but gradients cannot go between GPUs: %s Use ddp_backend: auto or spark, with which they go by the hosts' memory to the same bits."
              .formatted(objection));
    }
    if (exchange.rank() == 0 && !device().sharesHostMemory()) {
      LOG.info("Gradients go by the hosts' memory, not between GPUs: {}", objection);
    }
  }

  /**
   * What came of it.
   *
   * @param communicator if all ranks have joined it
   * @param objection else, as a sentence that names the rank
   */
  private record Meeting(Optional<NcclCommunicator> communicator, Optional<String> objection) {
    static Meeting failed(String objection) {
      return new Meeting(Optional.empty(), Optional.of(objection));
    }
  }

  private Meeting meet() {
    if (new HashSet<>(exchange.hosts()).size() > 1) {
      return Meeting.failed("the ranks are on several hosts.");
    }
    Candidate own = candidate();
    publish(CANDIDATES, own.answer());
    List<Answer> all = asked(CANDIDATES).stream().map(this::answer).toList();
    Optional<String> objection = objection(all);
    return objection.isPresent()
        ? Meeting.failed(objection.get())
        : join(own.nccl().orElseThrow(), all.get(0).id());
  }

  /**
   * What a rank tells the others.
   *
   * @param id of the communicator, by rank 0
   * @param objection why it cannot; no stop at its end
   */
  private record Answer(byte[] id, Optional<String> objection) {
    static Answer objecting(String why) {
      return new Answer(new byte[0], Optional.of(why));
    }

    /** A 1 and the id, or a 0 and the objection. */
    ByteBuffer encoded() {
      byte[] rest = objection.map(why -> why.getBytes(StandardCharsets.UTF_8)).orElse(id);
      return ByteBuffer.allocateDirect(1 + rest.length)
          .put((byte) (objection.isPresent() ? 0 : 1))
          .put(rest)
          .flip();
    }

    static Answer decoded(ByteBuffer bytes) {
      ByteBuffer all = bytes.duplicate();
      boolean agrees = all.get() == 1;
      byte[] rest = new byte[all.remaining()];
      all.get(rest);
      return agrees
          ? new Answer(rest, Optional.empty())
          : objecting(new String(rest, StandardCharsets.UTF_8));
    }
  }

  /** Whether this rank could join. */
  private record Candidate(Optional<Nccl> nccl, Answer answer) {}

  private Candidate candidate() {
    if (device().sharesHostMemory()) {
      return new Candidate(Optional.empty(), Answer.objecting("it computes on the CPU"));
    }
    try {
      Nccl nccl = library.get();
      byte[] id = exchange.rank() == 0 ? nccl.uniqueId() : new byte[0];
      return new Candidate(Optional.of(nccl), new Answer(id, Optional.empty()));
    } catch (RunFailure | UnsatisfiedLinkError e) {
      return new Candidate(Optional.empty(), Answer.objecting(words(e)));
    }
  }

  private Meeting join(Nccl nccl, byte[] id) {
    List<CompletableFuture<ByteBuffer>> answers = asked(JOINED);
    Optional<NcclCommunicator> own = Optional.empty();
    Optional<String> problem;
    try {
      NcclCommunicator begun = nccl.join(device(), id, exchange.rank(), exchange.worldSize());
      own = Optional.of(begun);
      problem = problem(begun, answers);
    } catch (RunFailure | UnsatisfiedLinkError e) {
      problem = Optional.of(words(e));
    }
    boolean joined = false;
    try {
      Answer told = new Answer(new byte[0], problem);
      publish(JOINED, told);
      // Once the others know this answer, one of them may end the run before it has come back here.
      Optional<String> objection =
          objection(
              IntStream.range(0, answers.size())
                  .mapToObj(rank -> rank == exchange.rank() ? told : answer(answers.get(rank)))
                  .toList());
      joined = objection.isEmpty();
      if (joined && exchange.rank() == 0) {
        LOG.info(
            "Gradients go between the GPUs of {} by NCCL {}.",
            exchange.hosts().get(0),
            nccl.version());
      }
      return joined ? new Meeting(own, objection) : Meeting.failed(objection.orElseThrow());
    } finally {
      if (!joined) {
        own.ifPresent(NcclCommunicator::abort);
      }
    }
  }

  /** Waits until all GPUs are connected; why they are not. */
  private Optional<String> problem(
      NcclCommunicator communicator, List<CompletableFuture<ByteBuffer>> answers) {
    long until = System.nanoTime() + patience.toNanos();
    while (!communicator.isReady()) {
      if (answers.stream().anyMatch(this::isLost) || Thread.currentThread().isInterrupted()) {
        return Optional.of(CONSEQUENCE);
      }
      if (System.nanoTime() > until) {
        return Optional.of(
            "NCCL did not connect its GPU within %s s".formatted(patience.toSeconds()));
      }
      LockSupport.parkNanos(PAUSE.toNanos());
    }
    return Optional.empty();
  }

  private boolean isLost(CompletableFuture<ByteBuffer> answer) {
    return answer.isCompletedExceptionally()
        || answer.isDone() && Answer.decoded(answer.join()).objection().isPresent();
  }

  /** The first rank's that has a reason of its own, as a sentence. */
  private Optional<String> objection(List<Answer> answers) {
    return IntStream.range(0, answers.size())
        .filter(rank -> answers.get(rank).objection().isPresent())
        .boxed()
        .min(
            Comparator.comparing(
                rank -> answers.get(rank).objection().equals(Optional.of(CONSEQUENCE))))
        .map(rank -> "rank %s: %s".formatted(rank, answers.get(rank).objection().orElseThrow()))
        .map(Sentence::ended);
  }

  private void publish(String name, Answer answer) {
    exchange.publish(name, 0, answer.encoded());
  }

  /** All ranks' answers, on their way. */
  private List<CompletableFuture<ByteBuffer>> asked(String name) {
    return IntStream.range(0, exchange.worldSize())
        .mapToObj(rank -> exchange.published(rank, name, 0))
        .toList();
  }

  private Answer answer(CompletableFuture<ByteBuffer> future) {
    ByteBuffer bytes = exchange.await(future);
    Answer answer = Answer.decoded(bytes);
    exchange.recycle(bytes);
    return answer;
  }

  private ComputeDevice device() {
    return ops.torch().device();
  }

  private static String words(Throwable e) {
    return String.valueOf(e.getMessage());
  }
}
