/**
 * Pages and charts for people: HTML and SVG without a script or a library, and {@code report.html}
 * of a training run. Uses {@code engine.metrics}.
 *
 * <p>A run's report is made at the end from the files of its folder alone, so it cannot say
 * anything that the files do not, and a run that was resumed on another driver has the same report.
 */
@NullMarked
package org.sparkfinetune.report;

import org.jspecify.annotations.NullMarked;
