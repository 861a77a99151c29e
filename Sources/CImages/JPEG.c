#include <limits.h>
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
  uint32_t seen; /* a bit for each component that a scan has brought */
} handler;

static void on_error(j_common_ptr codec) {
  handler *self = (handler *)codec->err;
  char text[JMSG_LENGTH_MAX];
  int code = codec->err->msg_code;
  self->manager.format_message(codec, text);
  if (code == JERR_NO_BACKING_STORE || code == JERR_OUT_OF_MEMORY)
    images_fail(self->error, "is a JPEG that needs more memory to decode than is allowed; make it smaller");
  else images_fail(self->error, "is a damaged or unsupported JPEG (%s); copy or save it again", text);
  longjmp(self->escape, 1);
}

/* libjpeg goes on after these with grey instead of pixels: a wrong answer later, so an error now. Other warnings (stray
 * bytes between markers, odd headers) leave the pixels whole. */
static void on_message(j_common_ptr codec, int level) {
  if (level >= 0) return;
  switch (codec->err->msg_code) {
    case JWRN_JPEG_EOF: case JWRN_HIT_MARKER: case JWRN_HUFF_BAD_CODE: case JWRN_ARITH_BAD_CODE: case JWRN_MUST_RESYNC:
      on_error(codec);
  }
}

/* Called before each row of each scan, where there are several. */
static void on_progress(j_common_ptr any) {
  j_decompress_ptr codec = (j_decompress_ptr)any;
  handler *self = (handler *)codec->err;
  for (int i = 0; i < codec->comps_in_scan; i++) self->seen |= 1u << codec->cur_comp_info[i]->component_index;
  if (codec->input_scan_number <= max_scans) return;
  images_fail(self->error, "is a JPEG of more than %d scans; save it again", max_scans);
  longjmp(self->escape, 1);
}

/* A file of several scans can end properly and yet too soon: what no scan brought, libjpeg shows as grey or blurred. */
static int is_complete(const struct jpeg_decompress_struct *codec, uint32_t seen) {
  for (int i = 0; i < codec->num_components; i++) {
    if (!(seen >> i & 1)) return 0;
    if (!codec->coef_bits) continue; /* not progressive: a scan brings all of a component */
    if (codec->coef_bits[i][0] != 0) return 0; /* bits that are still to come; −1: all of them */
    for (int k = 1; k < DCTSIZE2; k++)
      if (codec->coef_bits[i][k] > 0) return 0;
  }
  return 1;
}

/* ---- Turning upright -------------------------------------------------------------------------------------------- */

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

/* The turn of the first EXIF marker: there may be others of its number, with XMP. */
static turn turn_of(const struct jpeg_decompress_struct *codec) {
  for (jpeg_saved_marker_ptr marker = codec->marker_list; marker; marker = marker->next) {
    int orientation = images_exif_orientation(marker->data, marker->data_length);
    if (orientation) return turns[orientation];
  }
  return turns[1];
}

/* Room for what a progressive file collects before the first pixel: 4 bytes per allowed pixel, and what small images need. */
static long memory_limit(uint64_t max_pixels) {
  uint64_t limit = 4 * max_pixels + (4 << 20);
  return limit < LONG_MAX ? (long)limit : LONG_MAX;
}

static void read_rows(struct jpeg_decompress_struct *codec, turn t, const images_pixels *out) {
  int inks = codec->out_color_space == JCS_CMYK;
  uint32_t width = codec->image_width;
  JSAMPARRAY row = codec->mem->alloc_sarray((j_common_ptr)codec, JPOOL_IMAGE, width * (inks ? 4 : out->channels), 1);
  for (uint32_t y = 0; y < codec->image_height; y++) {
    jpeg_read_scanlines(codec, row, 1);
    if (inks) ink_to_light(row[0], width, codec->saw_Adobe_marker);
    place_row(out, t, y, row[0]);
  }
}

int images_decode_jpeg(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error) {
  struct jpeg_decompress_struct codec;
  handler self;
  self.error = error;
  self.seen = 0;
  codec.err = jpeg_std_error(&self.manager);
  self.manager.error_exit = on_error;
  self.manager.emit_message = on_message;
  self.progress.progress_monitor = on_progress;
  if (setjmp(self.escape)) {
    jpeg_destroy_decompress(&codec);
    return 1;
  }
  jpeg_create_decompress(&codec);
  codec.mem->max_memory_to_use = memory_limit(max_pixels);
  codec.progress = &self.progress;
  jpeg_mem_src(&codec, bytes, count);
  jpeg_save_markers(&codec, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&codec, TRUE);

  int inks = codec.jpeg_color_space == JCS_CMYK || codec.jpeg_color_space == JCS_YCCK;
  codec.out_color_space = inks ? JCS_CMYK : codec.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  codec.dct_method = JDCT_ISLOW; /* the exact one: the same pixels on every processor */
  turn t = turn_of(&codec);
  uint32_t width = codec.image_width, height = codec.image_height;
  uint32_t channels = codec.out_color_space == JCS_GRAYSCALE ? 1 : 3;
  int failed = images_check_size(width, height, max_pixels, error);
  if (!failed) {
    int several = jpeg_has_multiple_scans(&codec);
    jpeg_start_decompress(&codec); /* reads all scans, if there are several */
    if (several && !is_complete(&codec, self.seen))
      failed = images_fail(error, "is a JPEG whose last scans are missing; copy or save it again");
  }
  failed = failed
           || images_allocate(t.transpose ? height : width, t.transpose ? width : height, channels, out, error);
  if (!failed) {
    read_rows(&codec, t, out);
    jpeg_finish_decompress(&codec);
  }
  jpeg_destroy_decompress(&codec);
  return failed;
}
