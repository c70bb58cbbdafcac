/**
 * The folder of a prepared data set as its writer and its readers both know it. It uses Hadoop's
 * file systems and errors alone.
 *
 * <p>A newcomer would ask why a folder needs a manifest when {@code prepare} renames it into place
 * at the end. Object stores have no such rename: there files appear one by one under their final
 * names, and the manifest, written last, is what makes a data set of them.
 */
@NullMarked
package org.sparkfinetune.dataset;

import org.jspecify.annotations.NullMarked;
