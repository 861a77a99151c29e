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
  images_fail(from->error, "is a damaged PNG (%s); copy or save it again", message);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void read_header(png_structp png, png_infop info) {
  /* Text, profiles and other chunks that are not pixels are skipped, not parsed. */
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  /* libpng would drop a damaged tRNS with a warning, and with it the transparency. */
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff); /* images_check_size has its own limit, with a better message */
  png_read_info(png, info);
}

/* Every colour type and depth becomes 8-bit grey, grey + alpha, RGB or RGBA. Returns how often the rows are passed over. */
static int ask_for_bytes(png_structp png, png_infop info) {
  png_set_expand(png); /* palette → RGB, 1, 2, 4 bits → 8, tRNS → alpha */
  png_set_scale_16(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return passes;
}

int images_decode_png(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error) {
  source from = {bytes, count, error};
  images_fail(error, "cannot be decoded: out of memory");
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &from, on_error, on_warning);
  if (!png) return 1;
  png_infop info = png_create_info_struct(png);
  volatile int failed = 1; /* volatile: read after a longjmp */
  if (info && setjmp(png_jmpbuf(png)) == 0) {
    png_set_read_fn(png, &from, read_bytes);
    read_header(png, info);
    uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    /* Before libpng is asked for anything that depends on the size: it allocates rows at once. */
    if (images_check_size(width, height, max_pixels, error) == 0) {
      int passes = ask_for_bytes(png, info);
      uint32_t channels = png_get_channels(png, info);
      size_t row_bytes = (size_t)width * channels;
      if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "rows of an unexpected size");
      if (images_allocate(width, height, channels, out, error) == 0) {
        for (int pass = 0; pass < passes; pass++)
          for (uint32_t y = 0; y < height; y++) png_read_row(png, out->bytes + y * row_bytes, NULL);
        png_read_end(png, NULL);
        failed = 0;
      }
    }
  }
  png_destroy_read_struct(&png, &info, NULL);
  return failed;
}
