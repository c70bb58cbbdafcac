package org.sparkfinetune.plan;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/** The types of GPUs that are known, by name: {@code conf/gpus.yaml} or a file of the same form. */
public final class DeviceTable {
  /** The type that is measured instead of looked up. */
  public static final String CPU = "cpu";

  private static final double GIGA = 1e9;
  private static final List<String> FIELDS =
      List.of(
          "memory_gib",
          "bf16_tflops",
          "utilisation",
          "memory_gb_s",
          "host_link_gb_s",
          "gpus_per_host",
          "network_gb_s",
          "usd_per_hour");

  private final Map<String, Device> devices;

  private DeviceTable(Map<String, Device> devices) {
    this.devices = devices;
  }

  /** The table that comes with the program. */
  public static DeviceTable shipped() {
    try (InputStream in = DeviceTable.class.getResourceAsStream("gpus.yaml")) {
      if (in == null) {
        throw new Bug("gpus.yaml is not in the jar.");
      }
      return parse(
          new String(in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8), "gpus.yaml");
    } catch (IOException e) {
      throw new Bug("gpus.yaml in the jar cannot be read.", e);
    }
  }

  /**
   * Reads a table.
   *
   * @param where it is from, for messages
   * @throws UserError if it is not of that form
   */
  public static DeviceTable parse(String yaml, String where) {
    Map<String, Device> devices = new LinkedHashMap<>();
    try {
      JsonNode table = new ObjectMapper(new YAMLFactory()).readTree(yaml);
      table
          .fields()
          .forEachRemaining(e -> devices.put(e.getKey(), device(e.getKey(), e.getValue(), where)));
    } catch (IOException e) {
      throw new UserError(where + " is not YAML: " + e.getMessage(), e);
    }
    if (devices.isEmpty()) {
      throw new UserError(where + ": there is no GPU in it; the form is that of conf/gpus.yaml.");
    }
    return new DeviceTable(devices);
  }

  private static Device device(String name, JsonNode node, String where) {
    List<String> unknown = new ArrayList<>();
    node.fieldNames().forEachRemaining(field -> unknown.add(field));
    unknown.removeAll(FIELDS);
    if (!unknown.isEmpty()) {
      throw new UserError(
          "%s: %s has the unknown field %s; known are %s."
              .formatted(where, name, unknown.get(0), String.join(", ", FIELDS)));
    }
    return new Device(
        name,
        Device.Kind.GPU,
        Device.Bfloat16.COMPUTED,
        (long) (field(name, node, "memory_gib", where) * (1L << 30)),
        field(name, node, "bf16_tflops", where) * 1e12 * field(name, node, "utilisation", where),
        field(name, node, "memory_gb_s", where) * GIGA,
        field(name, node, "host_link_gb_s", where) * GIGA,
        (int) field(name, node, "gpus_per_host", where),
        field(name, node, "network_gb_s", where) * GIGA,
        field(name, node, "usd_per_hour", where));
  }

  private static double field(String name, JsonNode node, String field, String where) {
    JsonNode value = node.path(field);
    if (!value.isNumber()
        || value.asDouble() < 0
        || (value.asDouble() == 0 && !field.equals("usd_per_hour"))) {
      throw new UserError(
          "%s: %s of %s has to be a number above 0, not %s."
              .formatted(where, field, name, value.isMissingNode() ? "missing" : value.asText()));
    }
    return value.asDouble();
  }

  /**
   * The type of that name, in whatever case and with or without hyphens.
   *
   * @throws UserError if there is none
   */
  public Device device(String name) {
    return devices.entrySet().stream()
        .filter(entry -> plain(entry.getKey()).equals(plain(name)))
        .map(Map.Entry::getValue)
        .findFirst()
        .orElseThrow(
            () ->
                new UserError(
                    "gpu_type is %s; known are %s and %s (this machine, measured). Others can be added in a file like conf/gpus.yaml, named by --gpu_table."
                        .formatted(name, String.join(", ", devices.keySet()), CPU)));
  }

  /** All types, in the order of the file. */
  public List<Device> all() {
    return List.copyOf(devices.values());
  }

  private static String plain(String name) {
    return name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]", "");
  }
}
