#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "Decoders.h"

/* A progressive file may repeat scans to keep a decoder busy for hours; real ones have about ten. */
enum { max_scans = 100 };

typedef struct {
  struct jpeg_error_mgr manager; /* first: libjpeg hands back a pointer to it */
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  images_error *error;
} handler;

static void on_error(j_common_ptr codec) {
  handler *self = (handler *)codec->err;
  char text[JMSG_LENGTH_MAX];
  self->manager.format_message(codec, text);
  images_fail(self->error, "is a damaged or unsupported JPEG: %s", text);
  longjmp(self->escape, 1);
}

/* libjpeg goes on after these with grey instead of pixels: a wrong answer later, so an error now. Other warnings (stray
 * bytes between markers, odd headers) leave the pixels whole. */
static void on_message(j_common_ptr codec, int level) {
  int code = codec->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE)) on_error(codec);
}

static void on_progress(j_common_ptr codec) {
  handler *self = (handler *)codec->err;
  if (((j_decompress_ptr)codec)->input_scan_number <= max_scans) return;
  images_fail(self->error, "is a JPEG of more than %d scans", max_scans);
  longjmp(self->escape, 1);
}

/* ---- EXIF orientation ------------------------------------------------------------------------------------------- */

static uint32_t number(const uint8_t *bytes, int count, int little) {
  uint32_t value = 0;
  for (int i = 0; i < count; i++) value = value << 8 | bytes[little ? count - 1 - i : i];
  return value;
}

/* Tag 0x0112 of the first directory of an APP1 "Exif" marker (TIFF 6.0): 1 … 8, 1 where there is none. */
static int orientation(const uint8_t *marker, size_t count) {
  if (count < 14 || memcmp(marker, "Exif\0", 6) != 0) return 1;
  const uint8_t *tiff = marker + 6;
  count -= 6;
  int little = tiff[0] == 'I';
  size_t directory = number(tiff + 4, 4, little);
  if (directory > count - 2) return 1;
  size_t entries = number(tiff + directory, 2, little);
  for (size_t i = 0; i < entries; i++) {
    size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > count) return 1;
    if (number(tiff + entry, 2, little) != 0x0112) continue;
    uint32_t value = number(tiff + entry + 8, 2, little);
    return value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}

/* Where a decoded image of width × height goes: orientations 5 … 8 swap the sides, and each mirrors what its row says. */
typedef struct {
  int transpose, flip_x, flip_y;
} turn;
static const turn turns[9] = {{0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1},
                              {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 0, 1}};

/* Writes a decoded row to its place in the upright image. */
static void place_row(const images_pixels *out, turn t, uint32_t y, const uint8_t *row) {
  uint32_t channels = out->channels, width = t.transpose ? out->height : out->width;
  for (uint32_t x = 0; x < width; x++) {
    uint32_t to_x = t.transpose ? y : x, to_y = t.transpose ? x : y;
    if (t.flip_x) to_x = out->width - 1 - to_x;
    if (t.flip_y) to_y = out->height - 1 - to_y;
    memcpy(out->bytes + ((size_t)to_y * out->width + to_x) * channels, row + (size_t)x * channels, channels);
  }
}

/* ---- Colours ---------------------------------------------------------------------------------------------------- */

/* CMYK to RGB in place of the row; Adobe writes the inks inverted (255: no ink). */
static void ink_to_light(uint8_t *row, uint32_t width, int inverted) {
  for (uint32_t x = 0; x < width; x++)
    for (int c = 0; c < 3; c++) {
      uint32_t ink = row[4 * x + c], key = row[4 * x + 3];
      uint32_t product = inverted ? ink * key : (255 - ink) * (255 - key);
      row[3 * x + c] = (uint8_t)((product + 127) / 255);
    }
}

int images_decode_jpeg(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error) {
  struct jpeg_decompress_struct codec;
  handler self;
  self.error = error;
  codec.err = jpeg_std_error(&self.manager);
  self.manager.error_exit = on_error;
  self.manager.emit_message = on_message;
  self.progress.progress_monitor = on_progress;
  if (setjmp(self.escape)) {
    jpeg_destroy_decompress(&codec);
    return 1;
  }
  jpeg_create_decompress(&codec);
  codec.progress = &self.progress;
  jpeg_mem_src(&codec, bytes, count);
  jpeg_save_markers(&codec, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&codec, TRUE);

  int inks = codec.jpeg_color_space == JCS_CMYK || codec.jpeg_color_space == JCS_YCCK;
  codec.out_color_space = inks ? JCS_CMYK : codec.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  codec.dct_method = JDCT_ISLOW; /* the exact one: the same pixels on every processor */
  turn t = turns[1];
  for (jpeg_saved_marker_ptr marker = codec.marker_list; marker; marker = marker->next)
    if (marker->marker == JPEG_APP0 + 1) t = turns[orientation(marker->data, marker->data_length)];
  uint32_t width = codec.image_width, height = codec.image_height;
  uint32_t channels = codec.out_color_space == JCS_GRAYSCALE ? 1 : 3;
  int failed = images_allocate(t.transpose ? height : width, t.transpose ? width : height, channels, max_pixels, out, error);
  if (!failed) {
    jpeg_start_decompress(&codec);
    JSAMPARRAY row = codec.mem->alloc_sarray((j_common_ptr)&codec, JPOOL_IMAGE, width * (inks ? 4 : channels), 1);
    for (uint32_t y = 0; y < height; y++) {
      jpeg_read_scanlines(&codec, row, 1);
      if (inks) ink_to_light(row[0], width, codec.saw_Adobe_marker);
      place_row(out, t, y, row[0]);
    }
    jpeg_finish_decompress(&codec);
  }
  jpeg_destroy_decompress(&codec);
  return failed;
}
