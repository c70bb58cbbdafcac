package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.errors.Bug;

/** Opens one split after the other, and notes in the tally how each ended. */
final class TextSequence implements SourceSequence {
  private final Iterator<TextSplit> splits;
  private final RowOpener opener;
  private final Tally tally;
  private @Nullable TextSplit split;
  private @Nullable SourceRows rows;

  TextSequence(Iterator<TextSplit> splits, RowOpener opener, Tally tally) {
    this.splits = splits;
    this.opener = opener;
    this.tally = tally;
  }

  @Override
  public boolean next() throws IOException {
    while (rows != null || splits.hasNext()) {
      try {
        if (rows == null) {
          split = splits.next();
          rows = opener.open(split);
        }
        if (rows.next()) {
          return true;
        }
        tally.endOfSplit(split().file().index(), split().index(), rows.number(), rows.blankLines());
      } catch (UnreadableFile e) {
        tally.unreadable(split().file().index(), String.valueOf(e.getMessage()));
      }
      closeRows();
    }
    return false;
  }

  private void closeRows() throws IOException {
    if (rows != null) {
      rows.close();
      rows = null;
    }
  }

  private TextSplit split() {
    if (split == null) {
      throw new Bug("A row was asked for before the first.");
    }
    return split;
  }

  private SourceRows rows() {
    if (rows == null) {
      throw new Bug("A row was asked for behind the last.");
    }
    return rows;
  }

  @Override
  public Place place() {
    return new Place(split().file().index(), split().index(), rows().number());
  }

  @Override
  public long splitStart() {
    return split().start();
  }

  @Override
  public InputFile.Origin origin() {
    return split().file().origin();
  }

  @Override
  public ObjectNode tree() throws RejectedRow {
    return rows().tree();
  }

  @Override
  public String excerpt() {
    return rows().excerpt();
  }
}
