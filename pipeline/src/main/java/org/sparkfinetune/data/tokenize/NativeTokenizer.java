package org.sparkfinetune.data.tokenize;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.ref.Reference;
import java.util.Map;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;

/**
 * Hugging Face's tokenizers library through DJL. Asks the native encodings for ids and spans alone:
 * DJL's {@code Encoding} also copies tokens, masks and word ids, which costs half of the time.
 */
final class NativeTokenizer implements AutoCloseable {
  private static final TokenizersLibrary LIBRARY = TokenizersLibrary.LIB;

  /** DJL cuts at 512 tokens unless told otherwise. */
  private static final Map<String, String> OPTIONS =
      Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");

  /** What a text became; {@code ends}: of each token the UTF-16 index behind its last character. */
  record Encoded(int[] ids, int[] ends) {}

  private final HuggingFaceTokenizer tokenizer;

  NativeTokenizer(String folder, byte[] json) {
    try {
      tokenizer = HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), OPTIONS);
    } catch (IOException | RuntimeException e) {
      throw new UserError(
          "'%s/tokenizer.json' is no tokenizer that Hugging Face's tokenizers library can load: %s"
              .formatted(folder, e.getMessage()),
          e);
    }
  }

  int[] ids(String text) {
    return use(text, NativeTokenizer::ids);
  }

  Encoded encode(String text) {
    return use(
        text,
        encoding -> new Encoded(ids(encoding), ends(LIBRARY.getTokenCharSpans(encoding), text)));
  }

  /**
   * One text and not one of the library's batches: its own threads would compete with Spark's
   * tasks, of which every core has one.
   */
  private <T> T use(String text, LongFunction<T> use) {
    try {
      long encoding = LIBRARY.encode(tokenizer.getHandle(), wellFormed(text), false);
      try {
        return use.apply(encoding);
      } finally {
        LIBRARY.deleteEncoding(encoding);
      }
    } finally {
      // DJL's finaliser frees the native tokenizer, and a bare handle does not hold it back.
      Reference.reachabilityFence(tokenizer);
    }
  }

  private static int[] ids(long encoding) {
    long[] wide = LIBRARY.getTokenIds(encoding);
    int[] ids = new int[wide.length];
    for (int i = 0; i < wide.length; i++) {
      ids[i] = (int) wide[i];
    }
    return ids;
  }

  /** The library counts code points. */
  private static int[] ends(@Nullable CharSpan[] spans, String text) {
    int[] ends = new int[spans.length];
    int codePoint = 0;
    int at = 0;
    for (int i = 0; i < spans.length; i++) {
      CharSpan span = spans[i];
      int end = span == null ? codePoint : span.getEnd();
      if (end < codePoint) {
        codePoint = 0;
        at = 0;
      }
      at = text.offsetByCodePoints(at, end - codePoint);
      codePoint = end;
      ends[i] = at;
    }
    return ends;
  }

  /** A lone surrogate has no UTF-8; the library would see three characters for it. */
  private static String wellFormed(String text) {
    StringBuilder repaired = null;
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        if (Character.isSurrogate((char) text.codePointAt(i)) && text.codePointAt(i) < 0x10000) {
          repaired = repaired == null ? new StringBuilder(text) : repaired;
          repaired.setCharAt(i, '\ufffd');
        } else {
          i++;
        }
      }
    }
    return repaired == null ? text : repaired.toString();
  }

  String decode(long[] ids) {
    return tokenizer.decode(ids, false);
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
