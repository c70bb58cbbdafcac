package org.sparkfinetune.conversation;

/**
 * Characters that belong to one message.
 *
 * @param message its index in the conversation
 */
public record MessageSpan(int message, Role role, Span span) {}
