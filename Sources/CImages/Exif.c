#include <string.h>

#include "Decoders.h"

static uint32_t number(const uint8_t *bytes, int count, int little) {
  uint32_t value = 0;
  for (int i = 0; i < count; i++) value = value << 8 | bytes[little ? count - 1 - i : i];
  return value;
}

/* TIFF 6.0: "II*\0" or "MM\0*" for the order of bytes, the first directory's offset; there a count and entries of 12 bytes:
 * tag, type, count, value. The tag is 0x0112, one SHORT. */
int images_exif_orientation(const uint8_t *marker, size_t count) {
  enum { orientation_tag = 0x0112, short_type = 3 };
  if (count < 14 || memcmp(marker, "Exif\0", 6) != 0) return 0;
  const uint8_t *tiff = marker + 6;
  count -= 6;
  int little = memcmp(tiff, "II*\0", 4) == 0;
  if (!little && memcmp(tiff, "MM\0*", 4) != 0) return 1;
  size_t directory = number(tiff + 4, 4, little);
  if (directory > count - 2) return 1;
  size_t entries = number(tiff + directory, 2, little);
  for (size_t i = 0; i < entries; i++) {
    size_t offset = directory + 2 + 12 * i;
    if (offset + 12 > count) return 1;
    const uint8_t *entry = tiff + offset;
    if (number(entry, 2, little) != orientation_tag) continue;
    uint32_t value = number(entry + 8, 2, little);
    int right = number(entry + 2, 2, little) == short_type && number(entry + 4, 4, little) == 1;
    return right && value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}
