package org.sparkfinetune.model.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.hub.HubDownload.Checksum;
import org.sparkfinetune.model.hub.HubRepository.HubSnapshot;

/**
 * The hub's answer to {@code /api/…/revision/…?blobs=true}, reduced to what is used: {@code sha},
 * and of each of {@code siblings} {@code rfilename}, {@code size}, {@code blobId} (git's) and
 * {@code lfs.sha256} (large files; the blob is then only a pointer).
 */
final class HubListing {
  private HubListing() {}

  static HubSnapshot read(JsonNode answer) {
    List<HubFile> files = new ArrayList<>();
    for (JsonNode sibling : answer.path("siblings")) {
      files.add(file(sibling));
    }
    files.sort(Comparator.comparing(HubFile::path));
    String commit = answer.path("sha").asText();
    if (!commit.matches("[0-9a-f]{40}")) {
      throw unlikeAHub("its commit is '" + commit + "'");
    }
    return new HubSnapshot(commit, files);
  }

  private static HubFile file(JsonNode sibling) {
    String path = sibling.path("rfilename").asText();
    String sha256 = sibling.path("lfs").path("sha256").asText();
    String blob = sibling.path("blobId").asText();
    JsonNode size = sibling.path("lfs").path("size");
    long bytes = (size.isNumber() ? size : sibling.path("size")).asLong(-1);
    if (bytes < 0 || (sha256.isEmpty() && blob.isEmpty())) {
      throw unlikeAHub("the file '%s' has no size or no checksum".formatted(path));
    }
    Checksum checksum =
        sha256.isEmpty()
            ? new Checksum(Checksum.Kind.GIT_BLOB, blob)
            : new Checksum(Checksum.Kind.SHA256, sha256);
    HubFile file = new HubFile(path, bytes, checksum);
    if (file.isUnsafe() || !checksum.hex().matches("[0-9a-f]{40}|[0-9a-f]{64}")) {
      throw unlikeAHub("the file '%s' has a name or checksum that is not used".formatted(path));
    }
    return file;
  }

  /**
   * {@code trees/COMMIT.json} of the hub's own library: {@code files} by path, each with {@code
   * size}, {@code blob_id} and, if it is large, {@code lfs_sha256} and {@code lfs_size}. Empty
   * where it is of a version that is not known.
   */
  static Optional<HubSnapshot> readTree(String commit, JsonNode tree) {
    if (tree.path("format_version").asInt() != 1) {
      return Optional.empty();
    }
    ObjectNode listing = new ObjectMapper().createObjectNode().put("sha", commit);
    ArrayNode siblings = listing.putArray("siblings");
    tree.path("files")
        .fields()
        .forEachRemaining(
            file -> {
              ObjectNode sibling = siblings.addObject().put("rfilename", file.getKey());
              sibling.set("size", file.getValue().path("size"));
              sibling.set("blobId", file.getValue().path("blob_id"));
              JsonNode sha256 = file.getValue().path("lfs_sha256");
              if (sha256.isTextual()) {
                ObjectNode lfs = sibling.putObject("lfs").put("sha256", sha256.textValue());
                lfs.set("size", file.getValue().path("lfs_size"));
              }
            });
    return Optional.of(read(listing));
  }

  static RunFailure unlikeAHub(String what) {
    return new RunFailure(
        "The hub's answer is not one that can be used: %s. Check HF_ENDPOINT.".formatted(what));
  }

  static JsonNode write(HubSnapshot snapshot) {
    ObjectNode listing = new ObjectMapper().createObjectNode();
    listing.put("sha", snapshot.commit());
    ArrayNode siblings = listing.putArray("siblings");
    for (HubFile file : snapshot.files()) {
      ObjectNode sibling = siblings.addObject();
      sibling.put("rfilename", file.path()).put("size", file.size());
      switch (file.checksum().kind()) {
        case SHA256 -> sibling.putObject("lfs").put("sha256", file.checksum().hex());
        case GIT_BLOB -> sibling.put("blobId", file.checksum().hex());
        case UNKNOWN -> throw new Bug(file.path() + " comes from no hub, so it is in no listing.");
      }
    }
    return listing;
  }
}
