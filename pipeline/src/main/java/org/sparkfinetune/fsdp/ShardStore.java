package org.sparkfinetune.fsdp;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.exchange.Exchange;

/**
 * Shard files that later runs on this host find again by what shaped them. Beside a whole one lies
 * its checksum; beside one that was not finished, how many groups it holds, and loading goes on
 * from there. For another number of ranks they are cut anew from those. When the disk gets full,
 * models that were not used for the longest time go first.
 */
public final class ShardStore {
  private static final Logger LOG = LoggerFactory.getLogger(ShardStore.class);
  private static final String SHARD = ".shard";
  private static final String CHECKSUM = ".crc32c";
  private static final String GROUPS = ".groups";

  /** Part of the disk that is kept free. */
  private static final double FREE = 0.1;

  private final Path folder;
  private final String key;
  private final InstantSource clock;

  /**
   * A store in a local folder, which is made when it is needed.
   *
   * @param key a file name that stands for all that shapes the bytes, but for which slice of how
   *     many
   */
  public ShardStore(Path folder, String key, InstantSource clock) {
    this.folder = folder;
    this.key = key;
    this.clock = clock;
  }

  /**
   * This rank's shard file: the one that is there, or a new one; all ranks together.
   *
   * @param scratch where it is written if the store cannot be
   */
  public Path file(ShardPlan plan, ShardWriter writer, Exchange exchange, Path scratch) {
    int rank = exchange.rank();
    int slice = plan.ranks().position();
    Path file = file(slice, plan.ranks().size());
    boolean whole = isWhole(file, plan.fileBytes());
    if (exchange.sum("shards found", 0, new double[] {whole ? 1 : 0})[0] == exchange.worldSize()) {
      LOG.info("rank {}: the model's shard is there already, in {}.", rank, file);
      return file;
    }
    try (Lock lock = Lock.take(file)) {
      Path to = lock.isHeld() ? file : scratch;
      int own = lock.isHeld() ? groupsDone(file, plan, whole) : 0;
      int first = least(exchange, own);
      if (first == 0) {
        forget(to);
      } else {
        LOG.info("rank {}: loading goes on after {} groups, in {}.", rank, first, file);
      }
      write(plan, writer, exchange, to, first);
      note(to, CHECKSUM, checksum(to));
      makeRoom();
      return to;
    } catch (IOException e) {
      throw new RunFailure(
          "The shard file %s cannot be kept: %s. Make room, or name another folder in SPARK_FINETUNE_SHARDS"
              .formatted(file, e.getMessage()),
          e);
    }
  }

  private Path file(int slice, int ranks) {
    return folder.resolve("%s-%s-of-%s%s".formatted(key, slice, ranks, SHARD));
  }

  private void write(ShardPlan plan, ShardWriter writer, Exchange exchange, Path to, int first)
      throws IOException {
    ShardWriter.Progress progress = done -> note(to, GROUPS, Integer.toString(done));
    List<Path> others = ofOtherRanks(plan);
    double[] found = {others.isEmpty() ? 0 : 1};
    if (exchange.sum("shards of other ranks", 0, found)[0] < exchange.worldSize()) {
      writer.write(to, first, progress);
      return;
    }
    LOG.info("rank {}: cut from {} shards in {}.", exchange.rank(), others.size(), folder);
    try (OtherShards source = OtherShards.open(plan, others)) {
      writer.from(source).write(to, first, progress);
    }
  }

  /** All shards of the model as another number of ranks has them; empty if there is no such set. */
  private List<Path> ofOtherRanks(ShardPlan plan) throws IOException {
    Pattern firstOf = Pattern.compile(Pattern.quote(key + "-0-of-") + "(\\d{1,6})" + SHARD);
    List<Integer> sizes = new ArrayList<>();
    if (Files.isDirectory(folder)) {
      try (Stream<Path> files = Files.list(folder)) {
        files
            .map(file -> firstOf.matcher(file.getFileName().toString()))
            .filter(Matcher::matches)
            .forEach(found -> sizes.add(Integer.valueOf(found.group(1))));
      }
    }
    sizes.remove(Integer.valueOf(plan.ranks().size()));
    return sizes.stream()
        .filter(ranks -> IntStream.range(0, ranks).allMatch(i -> isWhole(plan, i, ranks)))
        .findFirst()
        .map(ranks -> IntStream.range(0, ranks).mapToObj(i -> file(i, ranks)).toList())
        .orElse(List.of());
  }

  private boolean isWhole(ShardPlan plan, int slice, int ranks) {
    return isWhole(file(slice, ranks), OtherShards.plan(plan, slice, ranks).fileBytes());
  }

  private static int least(Exchange exchange, int own) {
    double[] counts = new double[exchange.worldSize()];
    counts[exchange.rank()] = own;
    return (int) Arrays.stream(exchange.sum("groups found", 0, counts)).min().orElse(0);
  }

  private boolean isWhole(Path file, long bytes) {
    try {
      Path note = beside(file, CHECKSUM);
      if (!Files.exists(note) || Files.size(file) != bytes) {
        return false;
      }
      if (!Files.readString(note).equals(checksum(file))) {
        LOG.warn("{} is damaged; it is made again.", file);
        forget(file);
        return false;
      }
      Files.setLastModifiedTime(note, FileTime.from(clock.instant()));
      return true;
    } catch (IOException e) {
      LOG.info("{} cannot be used: {}", file, e.toString());
      return false;
    }
  }

  private static int groupsDone(Path file, ShardPlan plan, boolean whole) throws IOException {
    if (whole) {
      return plan.groups().size();
    }
    try {
      int done = Integer.parseInt(Files.readString(beside(file, GROUPS)));
      return Files.exists(file) ? Math.max(0, Math.min(done, plan.groups().size())) : 0;
    } catch (NoSuchFileException | NumberFormatException e) {
      return 0;
    }
  }

  private static String checksum(Path file) throws IOException {
    CRC32C crc = new CRC32C();
    try (InputStream in = new CheckedInputStream(Files.newInputStream(file), crc)) {
      in.transferTo(OutputStream.nullOutputStream());
    }
    return HexFormat.of().toHexDigits((int) crc.getValue());
  }

  private static void note(Path file, String what, String text) throws IOException {
    Path aside = beside(file, what + ".new");
    Files.writeString(aside, text);
    Files.move(aside, beside(file, what), StandardCopyOption.ATOMIC_MOVE);
  }

  private static Path beside(Path file, String suffix) {
    return file.resolveSibling(file.getFileName() + suffix);
  }

  /** Deleting, not overwriting: another run may have it mapped. */
  private static void forget(Path file) throws IOException {
    for (String suffix : List.of(CHECKSUM, GROUPS, "")) {
      Files.deleteIfExists(beside(file, suffix));
    }
  }

  private void makeRoom() throws IOException {
    FileStore disk = Files.getFileStore(folder);
    for (Path oldest : othersByLastUse()) {
      if (disk.getUsableSpace() > FREE * disk.getTotalSpace()) {
        return;
      }
      LOG.info("{} is deleted to make room.", oldest);
      forget(oldest);
    }
  }

  /** Whole shards of other models. */
  private List<Path> othersByLastUse() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> file.getFileName().toString().endsWith(SHARD + CHECKSUM))
          .filter(file -> !file.getFileName().toString().startsWith(key))
          .sorted(Comparator.comparing(file -> file.toFile().lastModified()))
          .map(file -> Path.of(file.toString().replace(SHARD + CHECKSUM, SHARD)))
          .toList();
    }
  }

  /** One process at a time fills a file; another that comes meanwhile keeps its own copy. */
  private record Lock(Optional<FileChannel> channel) implements AutoCloseable {
    static Lock take(Path file) {
      try {
        Files.createDirectories(file.toAbsolutePath().getParent());
        FileChannel channel =
            FileChannel.open(
                beside(file, ".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        if (channel.tryLock() != null) {
          return new Lock(Optional.of(channel));
        }
        channel.close();
        LOG.info("{} is being filled by another process; this one keeps a copy of its own.", file);
      } catch (IOException | OverlappingFileLockException e) {
        LOG.info("The shard is not kept for later runs: {}", e.toString());
      }
      return new Lock(Optional.empty());
    }

    boolean isHeld() {
      return channel.isPresent();
    }

    @Override
    public void close() throws IOException {
      if (channel.isPresent()) {
        channel.get().close();
      }
    }
  }
}
