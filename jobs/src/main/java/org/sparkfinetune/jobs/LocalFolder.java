package org.sparkfinetune.jobs;

import java.nio.file.Path;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A folder of this machine, as a path or as a {@code file:} URI. */
final class LocalFolder implements ITypeConverter<Path> {
  @Override
  public Path convert(String words) {
    var uri = new org.apache.hadoop.fs.Path(words).toUri();
    if (uri.getScheme() != null && !uri.getScheme().equals("file")) {
      throw new TypeConversionException(
          "'%s' is not on this machine; allowed is a local folder".formatted(words));
    }
    return Path.of(uri.getPath());
  }
}
