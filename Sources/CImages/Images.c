#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CSystem.h"
#include "Decoders.h"

/* No camera's file is larger; more is a mistake (a video, a disk image) that should not fill the memory. */
static const size_t max_file_bytes = (size_t)512 << 20;

int images_fail(images_error *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  return 1;
}

int images_check_size(uint64_t width, uint64_t height, uint64_t max_pixels, images_error *error) {
  if (width == 0 || height == 0) return images_fail(error, "is an image of no pixels");
  uint64_t longer = width > height ? width : height;
  int wide = longer > images_max_side;
  if (!wide && width <= max_pixels / height && max_pixels <= SIZE_MAX / 4) return 0;
  return images_fail(error, "is an image of %llu x %llu pixels, %s the %llu that are allowed; make it smaller",
                     (unsigned long long)width, (unsigned long long)height, wide ? "a side longer than" : "more than",
                     (unsigned long long)(wide ? images_max_side : max_pixels));
}

int images_allocate(uint32_t width, uint32_t height, uint32_t channels, images_pixels *out, images_error *error) {
  out->bytes = malloc((size_t)width * height * channels);
  if (!out->bytes) return images_fail(error, "is too large for this machine's memory");
  out->width = width;
  out->height = height;
  out->channels = channels;
  return 0;
}

int images_decode(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error) {
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  static const uint8_t jpeg[3] = {0xff, 0xd8, 0xff};
  memset(out, 0, sizeof *out);
  int failed;
  if (count >= sizeof png && memcmp(bytes, png, sizeof png) == 0)
    failed = images_decode_png(bytes, count, max_pixels, out, error);
  else if (count >= sizeof jpeg && memcmp(bytes, jpeg, sizeof jpeg) == 0)
    failed = images_decode_jpeg(bytes, count, max_pixels, out, error);
  else if (count == 0) failed = images_fail(error, "is empty");
  else failed = images_fail(error, "is neither a PNG nor a JPEG; convert it to one of them");
  if (failed) images_free(out);
  return failed;
}

/* Decodes what was read, or tells why it was not. */
static int decode_file(int unread, system_file *file, const system_error *reason, uint64_t max_pixels,
                       images_pixels *out, images_error *error) {
  memset(out, 0, sizeof *out);
  if (unread) return images_fail(error, "%s", reason->message);
  int failed = images_decode(file->bytes, file->count, max_pixels, out, error);
  system_free(file->bytes);
  return failed;
}

int images_read(const char *path, uint64_t max_pixels, images_pixels *out, images_error *error) {
  system_file file;
  system_error reason;
  int unread = system_read_file(path, max_file_bytes, &file, &reason);
  return decode_file(unread, &file, &reason, max_pixels, out, error);
}

int images_read_stream(int descriptor, uint64_t max_pixels, images_pixels *out, images_error *error) {
  system_file file;
  system_error reason;
  int unread = system_read_stream(descriptor, max_file_bytes, &file, &reason);
  return decode_file(unread, &file, &reason, max_pixels, out, error);
}

void images_free(images_pixels *pixels) {
  free(pixels->bytes);
  memset(pixels, 0, sizeof *pixels);
}
