/**
 * Pages for people: one HTML file each that needs nothing else, runs nothing, follows the reader's
 * light or dark setting and can be read on a phone. Uses nothing.
 *
 * <p>A newcomer would look for a template engine. There are two pages; what matters is that no text
 * gets into one unescaped, and for that one builder with one door for text is easier to check.
 */
@NullMarked
package org.sparkfinetune.html;

import org.jspecify.annotations.NullMarked;
