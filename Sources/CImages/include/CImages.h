/* CImages.h: PNG and JPEG files to 8-bit pixels.
 *
 * In C because libpng and libjpeg report errors by longjmp, which must not cross Swift frames. Never prints. */
#ifndef CIMAGES_H
#define CIMAGES_H
#include <stddef.h>
#include <stdint.h>

/* Pixels as they are seen: rows from top to bottom without gaps, upright (a JPEG's EXIF orientation is applied). */
typedef struct images_pixels {
  uint8_t *bytes;    /* height · width · channels; free with images_free */
  uint32_t width, height;
  uint32_t channels; /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
} images_pixels;

typedef struct images_error {
  char message[256]; /* what is wrong with the file, no newline: "is a damaged PNG: IDAT: CRC error" */
} images_error;

/* Decodes a PNG or JPEG in memory, told apart by their first bytes. All PNG colour types and depths (16 bits are rounded to 8, palettes
 * and transparency are expanded), interlaced or not; JPEG grey, colour, CMYK, baseline or progressive. Colour profiles are ignored.
 * Refuses more than max_pixels before memory for them is allocated. A file that ends early is an error, not half an image.
 * Returns 0, or non-zero with *error filled and *out empty. */
int images_decode(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error);

/* The same from a file. */
int images_read(const char *path, uint64_t max_pixels, images_pixels *out, images_error *error);

void images_free(images_pixels *pixels);

#endif
