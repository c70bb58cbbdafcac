package org.sparkfinetune.spark.cluster;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.resource.ResourceInformation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.InProcessGroup;
import org.sparkfinetune.engine.exchange.NetworkEndpoint;
import org.sparkfinetune.engine.exchange.NetworkEndpoint.PeerAddress;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.exchange.Secret;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.BarrierStage.RankTask;
import org.sparkfinetune.spark.cluster.RankContext.RankProgress;
import org.sparkfinetune.spark.cluster.RankPlanner.RankPlan;

/**
 * A rank's life on its executor: rendezvous, the task, the end. A normal end closes the group after
 * all ranks have come to it; an exception aborts the group, so that the others end within moments
 * and say who failed.
 */
final class RankRunner implements ScalaBridge.BarrierFunction {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(RankRunner.class);
  private static final Duration PREDECESSOR = Duration.ofSeconds(60);

  private final RankTask task;
  private final RankPlan plan;
  private final ExchangeSettings settings;
  private final Secret secret;
  private final int attempt;

  RankRunner(RankTask task, RankPlan plan, ExchangeSettings settings, Secret secret, int attempt) {
    this.task = task;
    this.plan = plan;
    this.settings = settings;
    this.secret = secret;
    this.attempt = attempt;
  }

  @Override
  public byte[] apply(BarrierTaskContext spark) {
    int rank = spark.partitionId();
    try (MDC.MDCCloseable unused = MDC.putCloseable("rank", Integer.toString(rank))) {
      return run(spark, rank);
    }
  }

  private byte[] run(BarrierTaskContext spark, int rank) {
    String host = SparkEnv.get().blockManager().blockManagerId().host();
    RankProgress progress = new RankProgress();
    try (ProcessGroup exchange = join(spark, rank, host)) {
      return runIn(exchange, spark, host, progress);
    } catch (RankFailure e) {
      throw e;
    } catch (RuntimeException | Error e) {
      throw failure(spark, rank, host, progress, e, false);
    }
  }

  private ProcessGroup join(BarrierTaskContext spark, int rank, String host) {
    if (plan.worldSize() == 1) {
      return InProcessGroup.alone();
    }
    NetworkEndpoint endpoint = NetworkEndpoint.open(settings, secret, rank, plan.worldSize(), host);
    try {
      RankAddress own =
          new RankAddress(
              endpoint.address(), SparkEnv.get().executorId(), ProcessHandle.current().pid());
      List<RankAddress> addresses = RankAddress.arranged(spark.allGather(own.encoded()));
      return endpoint.connect(addresses.stream().map(RankAddress::address).toList());
    } catch (RuntimeException e) {
      endpoint.close();
      throw e;
    }
  }

  private byte[] runIn(
      ProcessGroup exchange, BarrierTaskContext spark, String host, RankProgress progress) {
    String owner = "rank %s of attempt %s".formatted(exchange.rank(), attempt);
    Path scratch = scratch(exchange.rank());
    try (RankLock unused = RankLock.acquire(owner, PREDECESSOR)) {
      LOG.info(
          "Rank {} of {} starts on {}, attempt {}",
          exchange.rank(),
          plan.worldSize(),
          host,
          attempt);
      progress.enter("start");
      byte[] result = task.run(context(exchange, spark, host, scratch, progress));
      progress.enter("end");
      exchange.sum("end of run", 0, new double[0]);
      return result;
    } catch (Throwable e) {
      boolean consequence = exchange.failure().isPresent();
      RankFailure failure = failure(spark, exchange.rank(), host, progress, e, consequence);
      if (!consequence) {
        exchange.abort(failure.what());
      }
      throw failure;
    } finally {
      delete(scratch);
    }
  }

  private RankContext context(
      ProcessGroup exchange,
      BarrierTaskContext spark,
      String host,
      Path scratch,
      RankProgress progress) {
    return new RankContext(
        exchange.rank(),
        exchange.worldSize(),
        host,
        attempt,
        plan.coresPerRank(),
        exchange,
        scratch,
        gpuAddress(spark.resourcesJMap()),
        progress,
        spark::isInterrupted);
  }

  private static Optional<String> gpuAddress(Map<String, ResourceInformation> resources) {
    return Optional.ofNullable(resources.get("gpu"))
        .flatMap(gpu -> Stream.of(gpu.addresses()).findFirst());
  }

  private static RankFailure failure(
      BarrierTaskContext spark,
      int rank,
      String host,
      RankProgress progress,
      Throwable thrown,
      boolean consequence) {
    RankFailure failure =
        spark.isInterrupted()
            ? RankFailure.cancelled(rank, host, progress.point(), thrown)
            : RankFailure.of(rank, host, progress.point(), thrown, consequence);
    LOG.error("{}", failure.getMessage(), thrown);
    return failure;
  }

  private static Path scratch(int rank) {
    try {
      Path disk = SparkEnv.get().blockManager().diskBlockManager().localDirs()[0].toPath();
      return Files.createTempDirectory(Files.createDirectories(disk), "rank-" + rank + "-");
    } catch (IOException e) {
      throw new RunFailure(
          "No folder can be made on the executor's local disk (spark.local.dir): " + e.getMessage(),
          e);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException | UncheckedIOException e) {
      LOG.debug("Spark will delete {} when the executor ends", folder, e);
    }
  }

  /**
   * Where a rank sits, as the ranks tell each other in the rendezvous.
   *
   * @param executor Spark's id of the executor
   * @param pid of its process
   */
  record RankAddress(PeerAddress address, String executor, long pid) {
    String encoded() {
      return String.join(
          "\t",
          Integer.toString(address.rank()),
          address.host(),
          Integer.toString(address.port()),
          executor,
          Long.toString(pid));
    }

    static RankAddress decoded(String text) {
      String[] parts = text.split("\t", -1);
      PeerAddress address =
          new PeerAddress(Integer.parseInt(parts[0]), parts[1], Integer.parseInt(parts[2]));
      return new RankAddress(address, parts[3], Long.parseLong(parts[4]));
    }

    /** All ranks' addresses in rank order; two in one process are the user's to resolve. */
    static List<RankAddress> arranged(String[] texts) {
      List<RankAddress> addresses = Stream.of(texts).map(RankAddress::decoded).toList();
      for (RankAddress a : addresses) {
        for (RankAddress b : addresses) {
          if (a.address().rank() < b.address().rank() && a.isTogetherWith(b)) {
            throw new UserError(
                "Ranks %s and %s were put into one executor (%s on %s, process %s), but each needs a JVM of its own. Give an executor exactly the cores of one rank: spark.executor.cores equal on all, and no spark.task.cpus below it; or lower num_ranks."
                    .formatted(
                        a.address().rank(),
                        b.address().rank(),
                        a.executor(),
                        a.address().host(),
                        a.pid()));
          }
        }
      }
      return addresses;
    }

    private boolean isTogetherWith(RankAddress other) {
      return executor.equals(other.executor)
          || (address.host().equals(other.address.host()) && pid == other.pid);
    }
  }

  /**
   * One rank at a time in a JVM: libtorch's settings and DJL's gradient recording are the
   * process's. Kept in the system properties, because this class may be loaded more than once in an
   * executor.
   */
  static final class RankLock implements AutoCloseable {
    private static final String KEY = "org.sparkfinetune.running-rank";

    private final String owner;

    private RankLock(String owner) {
      this.owner = owner;
    }

    /** Waits for a rank of a failed attempt that is still on its way out. */
    static RankLock acquire(String owner, Duration patience) {
      long start = System.nanoTime();
      while (true) {
        Object other = System.getProperties().putIfAbsent(KEY, owner);
        if (other == null) {
          return new RankLock(owner);
        }
        if (System.nanoTime() - start > patience.toNanos()) {
          throw new RunFailure(
              "This executor still runs %s after %s s, so %s cannot start in it."
                  .formatted(other, patience.toSeconds(), owner));
        }
        pause();
      }
    }

    private static void pause() {
      try {
        TimeUnit.MILLISECONDS.sleep(100);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new RunFailure("Interrupted while waiting for another rank in this executor.", e);
      }
    }

    @Override
    public void close() {
      System.getProperties().remove(KEY, owner);
    }
  }
}
