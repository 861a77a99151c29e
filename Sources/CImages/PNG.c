#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "Decoders.h"

typedef struct {
  const uint8_t *next;
  size_t left;
  images_error *error;
} source;

static void read_bytes(png_structp png, png_bytep out, size_t count) {
  source *from = png_get_io_ptr(png);
  if (count > from->left) png_error(png, "the file ends early");
  memcpy(out, from->next, count);
  from->next += count;
  from->left -= count;
}

static void on_error(png_structp png, png_const_charp message) {
  source *from = png_get_error_ptr(png);
  images_fail(from->error, "is a damaged PNG: %s", message);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

/* Every colour type and depth becomes 8-bit grey, grey + alpha, RGB or RGBA. */
static void ask_for_bytes(png_structp png, png_infop info) {
  png_set_expand(png); /* palette → RGB, 1, 2, 4 bits → 8, tRNS → alpha */
  png_set_scale_16(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

int images_decode_png(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error) {
  source from = {bytes, count, error};
  images_fail(error, "cannot be decoded: out of memory");
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &from, on_error, on_warning);
  if (!png) return 1;
  png_infop info = png_create_info_struct(png);
  png_bytep *volatile rows = NULL; /* volatile: read after a longjmp */
  volatile int failed = 1;
  if (info && setjmp(png_jmpbuf(png)) == 0) {
    png_set_read_fn(png, &from, read_bytes);
    /* Text, profiles and other chunks that are not pixels are skipped, not parsed. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff); /* images_allocate has its own limit, with a better message */
    png_read_info(png, info);
    ask_for_bytes(png, info);
    uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    uint32_t channels = png_get_channels(png, info);
    if (images_allocate(width, height, channels, max_pixels, out, error) == 0) {
      size_t row_bytes = (size_t)width * channels;
      if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "rows of an unexpected size");
      rows = png_malloc(png, height * sizeof *rows);
      for (uint32_t y = 0; y < height; y++) rows[y] = out->bytes + y * row_bytes;
      png_read_image(png, rows);
      png_read_end(png, NULL);
      failed = 0;
    }
  }
  if (rows) png_free(png, rows);
  png_destroy_read_struct(&png, &info, NULL);
  return failed;
}
