package org.sparkfinetune.engine.tensor;

/**
 * Blocks of one NF4 tensor in the bytes of a rank's slice.
 *
 * @param bytes uint8, the slice
 * @param codesAt first byte of the packed codes, 32 a block
 * @param absmaxAt first byte of the blocks' nested codes, one a block
 * @param constantsAt first byte of offset and nested absmax, float32; a multiple of 4
 * @param blocks of 64 weights, the last maybe in part
 * @param phase blocks of the first nested group that lie before the piece
 * @param to element of the tensor that the first weight is
 * @param weights in the piece
 */
public record Nf4Piece(
    Tensor bytes,
    long codesAt,
    long absmaxAt,
    long constantsAt,
    long blocks,
    long phase,
    long to,
    long weights) {}
