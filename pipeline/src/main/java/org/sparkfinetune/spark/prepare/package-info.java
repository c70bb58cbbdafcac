/**
 * Raw data to conversations, on Spark: read strictly, put rows aside that cannot be taken, order by
 * a hash, select, split, write, report. It uses Spark SQL and Parquet's writer as Spark ships them,
 * and never needs libtorch.
 *
 * <p>What is Spark's or a library's, and what is not, and why:
 *
 * <ul>
 *   <li>Parquet is read by Spark, of each file only the columns that the converter needs.
 *   <li>Tables, queries and all other formats are read by Spark's own data sources, in the session
 *       of the caller (see {@link org.sparkfinetune.spark.prepare.TableInput}).
 *   <li>Lines are found by Hadoop's {@code LineReader}, and JSON is parsed by Jackson. {@code
 *       TextInputFormat} around it would drop a line that is too long without a word, and reads
 *       zstd by native code alone. Spark's JSON reader turns numbers and objects into texts, drops
 *       a top-level array, and no longer knows which line a row came from.
 *   <li>Elements of an array are cut out by {@link org.sparkfinetune.spark.prepare.JsonArray} and
 *       rows of CSV by {@link org.sparkfinetune.spark.prepare.CsvRows}. Jackson cannot go on behind
 *       an element that is broken; commons-csv and univocity read characters, so that they cannot
 *       say which byte is not UTF-8, take a stray quote for text, or lose the rest of the file to
 *       it. Here each costs its own row alone.
 *   <li>The exchange is a Dataset's, by hash and sorted as binary rows (see {@link
 *       org.sparkfinetune.spark.prepare.Buckets}). {@code repartitionAndSortWithinPartitions} would
 *       sort Java objects. Counts travel through it from the map side; a {@code groupBy} would read
 *       all rows once more.
 *   <li>Each bucket is written in one pass, Parquet and JSON lines together, so that its rows are
 *       sorted once. Spark's writer would need a pass for each split and format, and its commit
 *       protocol renames object by object on stores where {@link
 *       org.sparkfinetune.spark.prepare.OutputFolder} renames nothing.
 * </ul>
 *
 * <p>Order and split never depend on partitions: the position of a row is decided by a hash of its
 * text and the seed, and exact counts follow from what the map side counted. Equal rows have an
 * equal data set hash (see {@link org.sparkfinetune.spark.dataset.RowsHash}) whatever the Spark;
 * the bytes of the JSON files and of {@code rejected/} are the same too, those of Parquet need not
 * be.
 */
@NullMarked
package org.sparkfinetune.spark.prepare;

import org.jspecify.annotations.NullMarked;
