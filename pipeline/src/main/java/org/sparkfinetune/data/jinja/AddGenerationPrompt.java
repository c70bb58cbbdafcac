package org.sparkfinetune.data.jinja;

/** Whether the text ends with the header of the assistant's next turn, for the model to go on. */
public enum AddGenerationPrompt {
  NO,
  YES
}
