package org.sparkfinetune.config;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Makes a record component a key of YAML and command line. Reading, checking, {@code --help} and
 * the resolved {@code config.yaml} all follow from it. A key is required unless it has a default or
 * its component is optional.
 *
 * <p>A key behind a group of keys that has one of the same name takes that one's place: the group
 * is given its own default.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
@interface Key {

  /** The default of a list that may be empty. */
  String EMPTY = "[]";

  /** One line for {@code --help}. */
  String doc();

  /** The spelling that we write; a dot leads into a mapping. Default: the component's, as a_b. */
  String name() default "";

  /** More spellings that we read. */
  String[] alias() default {};

  /** The default as a user would write it; {@code =other_key} takes the value of another key. */
  String otherwise() default "";

  /**
   * The key behind which help and {@code config.yaml} show this one, if not its component's place.
   */
  String after() default "";

  /** Numbers that are allowed, as an interval such as {@code [0,1)}. */
  String range() default "[1,)";

  /** What is allowed, in words, where the type's own words do not say enough. */
  String allowed() default "";

  /** What a mapping may hold; a name with a question mark may be left out. */
  String[] fields() default {};

  /** The word that stands for no value. */
  String none() default "";

  /** What a string, a list of strings or a {@code long} means. */
  Meaning meaning() default Meaning.TEXT;

  /** See {@link #meaning}. */
  enum Meaning {
    TEXT,
    /** A Hadoop path; a relative one begins at the user's working folder. */
    PATH,
    /** A path as it was written. */
    PATH_AS_WRITTEN,
    /** A path or the id of a model on a hub. */
    MODEL,
    CHAT_TEMPLATE,
    /** YAML lists and mappings become JSON. */
    JSON,
    /** One character. */
    CHARACTER,
    /** A regular expression; brackets are no YAML on the command line. */
    EXPRESSION,
    /** Several, with commas or spaces between. */
    WORDS,
    /** The same for names of modules; a text that no name could be is one regular expression. */
    MODULES,
    /** A size such as 2GB. */
    BYTES
  }
}
