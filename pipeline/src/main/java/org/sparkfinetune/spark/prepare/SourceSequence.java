package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import org.sparkfinetune.data.conversation.RejectedRow;

/** The rows of all files or splits of one task, one after the other. */
interface SourceSequence {
  boolean next() throws IOException;

  Place place();

  /** The first byte of the split that the row at hand is in. */
  long splitStart();

  InputFile.Origin origin();

  ObjectNode tree() throws RejectedRow;

  String excerpt();
}
