package org.sparkfinetune.config;

/** {@code format}: the file that a merged model is written as. */
public enum MergeFormat implements Spelled {
  SAFETENSORS("safetensors"),
  /** llama.cpp's file with matrices in half precision. */
  GGUF_F16("gguf-f16"),
  /** llama.cpp's file with matrices in 8 bits, blocks of 32. */
  GGUF_Q8_0("gguf-q8_0");

  private final String text;

  MergeFormat(String text) {
    this.text = text;
  }

  @Override
  public String text() {
    return text;
  }
}
