package org.sparkfinetune.spark.dataset;

import java.io.Serializable;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import org.apache.commons.codec.digest.DigestUtils;

/**
 * The hash of a sequence of rows. It depends on the rows and their order, and neither on files nor
 * on how the rows are divided among tasks: the hashes of successive parts are put together.
 *
 * <p>With the digests {@code d} of {@code n} rows it is {@code SHA-256(n, sum of d[i] * B^(n-1-i)
 * mod p)}: a polynomial, since that of a whole follows from those of its parts. It tells data sets
 * apart; it does not protect from somebody who constructs two with equal hashes.
 */
public final class RowsHash implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The prime 2^255 - 19. */
  private static final BigInteger MODULUS =
      BigInteger.ONE.shiftLeft(255).subtract(BigInteger.valueOf(19));

  private static final BigInteger BASE =
      new BigInteger(1, DigestUtils.sha256("spark-finetune rows")).mod(MODULUS);

  private long rows;
  private BigInteger sum = BigInteger.ZERO;

  /** Appends a row by its digest. */
  public void add(byte[] digest) {
    sum = sum.multiply(BASE).add(new BigInteger(1, digest)).mod(MODULUS);
    rows++;
  }

  /** Appends the rows of a later part. */
  public void append(RowsHash later) {
    BigInteger shift = BASE.modPow(BigInteger.valueOf(later.rows), MODULUS);
    sum = sum.multiply(shift).add(later.sum).mod(MODULUS);
    rows += later.rows;
  }

  /** Of a data set with these splits; one without rows makes no difference. */
  public static String ofDataset(RowsHash train, RowsHash test) {
    return DigestUtils.sha256Hex(
        "train " + train.text() + (test.rows == 0 ? "" : " test " + test.text()));
  }

  /** 64 hexadecimal digits. */
  public String text() {
    return DigestUtils.sha256Hex(bytes());
  }

  /** For {@link #ofBytes}. */
  public byte[] bytes() {
    byte[] polynomial = sum.toByteArray();
    return ByteBuffer.allocate(Long.BYTES + polynomial.length)
        .putLong(rows)
        .put(polynomial)
        .array();
  }

  public static RowsHash ofBytes(byte[] bytes) {
    RowsHash hash = new RowsHash();
    hash.rows = ByteBuffer.wrap(bytes).getLong();
    hash.sum = new BigInteger(bytes, Long.BYTES, bytes.length - Long.BYTES);
    return hash;
  }
}
