/**
 * jinja2 in Java: lexer, parser and interpreter with Python's values, in the environment that
 * transformers gives to chat templates. Written by hand because no library on Java 17 gives
 * jinja2's text. Uses no other package and no library, so that others can take it as it is; begin
 * at {@link org.sparkfinetune.data.jinja.Template}.
 */
@NullMarked
package org.sparkfinetune.data.jinja;

import org.jspecify.annotations.NullMarked;
