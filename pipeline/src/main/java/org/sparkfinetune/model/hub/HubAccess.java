package org.sparkfinetune.model.hub;

/** Whether the hub may be asked, or only what was downloaded before counts. */
enum HubAccess {
  ONLINE,
  OFFLINE
}
