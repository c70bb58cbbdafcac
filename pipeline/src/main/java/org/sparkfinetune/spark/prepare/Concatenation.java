package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.hadoop.fs.BBPartHandle;
import org.apache.hadoop.fs.BBUploadHandle;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.MultipartUploader;
import org.apache.hadoop.fs.PartHandle;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UploadHandle;
import org.apache.spark.api.java.JavaSparkContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.AtomicFile;

/**
 * Makes one file of the parts that tasks wrote, in order. HDFS joins files itself, so no byte is
 * moved. A store that puts an object together of uploads gets them from all executors. Elsewhere
 * the driver copies, which on a local disk is as fast as the disk.
 */
final class Concatenation {
  private static final Logger LOG = LoggerFactory.getLogger(Concatenation.class);

  /** What one task uploads. Stores take no fewer than 5 MiB and no more than 10,000 uploads. */
  private static final long UPLOAD_BYTES = 64L << 20;

  private static final int READ_AHEAD = 1 << 20;

  private final JavaSparkContext spark;
  private final OutputFolder.Parts files;
  private final long uploadBytes;

  Concatenation(JavaSparkContext spark, OutputFolder.Parts files) {
    this(spark, files, UPLOAD_BYTES);
  }

  Concatenation(JavaSparkContext spark, OutputFolder.Parts files, long uploadBytes) {
    this.spark = spark;
    this.files = files;
    this.uploadBytes = uploadBytes;
  }

  /** Consecutive parts that are uploaded together. */
  private record Upload(int number, List<String> parts, long bytes) implements Serializable {}

  /** What a store knows an upload by. */
  private record Uploaded(int number, byte[] handle) implements Serializable {}

  /** The parts are gone or useless afterwards. */
  void join(String name, List<String> parts) {
    try {
      Path target = files.path(name);
      FileSystem store = files.store().fileSystem(target);
      if (parts.size() > 1
          && "hdfs".equals(store.getUri().getScheme())
          && joinedByStore(store, target, parts)) {
        return;
      }
      List<Upload> uploads = takesUploads(store, target) ? uploads(store, parts) : List.of();
      if (uploads.size() > 1) {
        upload(store, target, uploads);
      } else {
        copy(store, target, parts);
      }
    } catch (IOException e) {
      throw new RunFailure("writing %s failed: %s".formatted(name, Prepare.oneLine(e)), e);
    }
  }

  private boolean joinedByStore(FileSystem store, Path target, List<String> parts)
      throws IOException {
    List<Path> paths = parts.stream().map(files::path).toList();
    try {
      store.concat(paths.get(0), paths.subList(1, paths.size()).toArray(Path[]::new));
    } catch (IOException | UnsupportedOperationException e) {
      // All or nothing: not in an encryption zone, not with erasure coding.
      LOG.debug("{} cannot be joined by the store", target, e);
      return false;
    }
    if (!store.rename(paths.get(0), target)) {
      throw new IOException("cannot rename " + paths.get(0) + " to " + target);
    }
    return true;
  }

  private boolean takesUploads(FileSystem store, Path target) throws IOException {
    return !files.store().renamesFolders(target)
        && store.hasPathCapability(target, CommonPathCapabilities.FS_MULTIPART_UPLOADER);
  }

  private List<Upload> uploads(FileSystem store, List<String> parts) throws IOException {
    Map<String, Long> lengths = new HashMap<>();
    if (!parts.isEmpty()) {
      for (FileStatus file : store.listStatus(files.path(parts.get(0)).getParent())) {
        lengths.put(file.getPath().getName(), file.getLen());
      }
    }
    List<Upload> uploads = new ArrayList<>();
    List<String> taken = new ArrayList<>();
    long bytes = 0;
    for (String part : parts) {
      taken.add(part);
      bytes += lengths.getOrDefault(files.path(part).getName(), 0L);
      if (bytes >= uploadBytes) {
        uploads.add(new Upload(uploads.size() + 1, List.copyOf(taken), bytes));
        taken.clear();
        bytes = 0;
      }
    }
    if (!taken.isEmpty()) {
      uploads.add(new Upload(uploads.size() + 1, List.copyOf(taken), bytes));
    }
    return uploads;
  }

  private void upload(FileSystem store, Path target, List<Upload> uploads) throws IOException {
    OutputFolder.Parts shared = files;
    String path = target.toString();
    try (MultipartUploader uploader = store.createMultipartUploader(target).build()) {
      UploadHandle whole = uploader.startUpload(target).get();
      try {
        byte[] handle = whole.toByteArray();
        Map<Integer, PartHandle> uploaded = new HashMap<>();
        for (Uploaded part :
            spark
                .parallelize(uploads, uploads.size())
                .map(upload -> put(shared, path, handle, upload))
                .collect()) {
          uploaded.put(part.number(), BBPartHandle.from(ByteBuffer.wrap(part.handle())));
        }
        uploader.complete(whole, target, uploaded).get();
      } catch (Exception e) {
        uploader.abort(whole, target);
        throw e;
      }
    } catch (ExecutionException e) {
      throw new IOException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new RunFailure("writing %s was interrupted.".formatted(target), e);
    }
  }

  private static Uploaded put(OutputFolder.Parts files, String target, byte[] whole, Upload upload)
      throws IOException, ExecutionException, InterruptedException {
    Path path = new Path(target);
    FileSystem store = files.store().fileSystem(path);
    List<InputStream> streams = new ArrayList<>();
    for (String part : upload.parts()) {
      streams.add(store.open(files.path(part)));
    }
    try (MultipartUploader uploader = store.createMultipartUploader(path).build();
        InputStream in = new SequenceInputStream(Collections.enumeration(streams))) {
      PartHandle handle =
          uploader
              .putPart(
                  BBUploadHandle.from(ByteBuffer.wrap(whole)),
                  upload.number(),
                  path,
                  in,
                  upload.bytes())
              .get();
      return new Uploaded(upload.number(), handle.toByteArray());
    }
  }

  /** Parts go as they are copied: there is never room needed for a second copy. */
  private void copy(FileSystem store, Path target, List<String> parts) throws IOException {
    try (AtomicFile out = files.store().createPart(target)) {
      for (String part : parts) {
        Path path = files.path(part);
        try (InputStream in = store.open(path, READ_AHEAD)) {
          in.transferTo(out);
        }
        store.delete(path, false);
      }
      out.commit();
    }
  }
}
